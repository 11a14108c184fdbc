"""A gateway was away for days at 10 readings a second: does the present reach the database while the past drains?

The past is written into a real spool by the spool's own code; then the real agent starts on it, reads its devices, and
delivers both through a real Mosquitto and a real hub into InfluxDB 1.x. A live reading's delay is from its own time to
the first look (five a second) that finds it in the database. Were all sent in the order of time, the present would
wait until the past is through: that is the baseline.

At the end the past is counted and summed up in the database, counter by counter. Exit code 1 where a live reading was
more than 5 s behind in any minute, or anything is missing.
"""
