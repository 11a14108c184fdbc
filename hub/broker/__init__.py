"""The MQTT broker between gateways and hub: ours (Mosquitto or embedded) or somebody's, and the hub's own client."""
