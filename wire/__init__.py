"""What crosses between a gateway and the hub: words, records, topics and the bytes of each message.

Pure: standard library, cbor2 and zstandard only. Nothing here waits, logs, or touches a disk.
"""
