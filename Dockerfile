# weft in a small image: docker build -t weft .
# A broker from Debian, where no registry has one for you: docker build -t weft-broker --target broker .

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY cmake/setup cmake/setup
RUN cmake/setup packages build
COPY . .
RUN cmake/setup build release weft && strip build/release/weft

FROM debian:bookworm-slim AS broker
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mosquitto mosquitto-clients \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o mosquitto -g mosquitto /mosquitto/config /mosquitto/data
COPY .docker/mosquitto.conf /mosquitto/config/mosquitto.conf
USER mosquitto
VOLUME /mosquitto/data
EXPOSE 1883
ENTRYPOINT ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]

FROM debian:bookworm-slim AS weft
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libjansson4 libpaho-mqtt1.3 libprotobuf-c1 libsqlite3-0 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/weft --shell /usr/sbin/nologin weft \
    && install -d -o weft -g weft /var/lib/weft /run/weft
COPY --from=build /src/build/release/weft /usr/local/bin/weft
USER weft
WORKDIR /var/lib/weft
ENV XDG_STATE_HOME=/var/lib XDG_RUNTIME_DIR=/run
VOLUME ["/var/lib/weft", "/run/weft"]
ENTRYPOINT ["weft"]
