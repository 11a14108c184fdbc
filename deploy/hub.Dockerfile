# The hub with the broker that it runs for its gateways. Built from a checkout: docker build -f deploy/hub.Dockerfile .
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The lock has every package's hash; nothing is fetched that is not in it.
RUN python3 -m venv /opt/sen \
    && /opt/sen/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/sen/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 mosquitto && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/sen /opt/sen
ENV PATH=/opt/sen/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["sen-hub"]
CMD ["serve", "/srv/sen"]
