# One image, two programs: `site ...` beside the EHR, `network ...` at the coordinating center.
#   docker build -t weir .
#   docker run --read-only --tmpfs /tmp -v weir-site:/data weir site run --config /data/site.toml
#   docker run --read-only --tmpfs /tmp -v weir-network:/data -p 8080:8080 weir network serve --config /data/network.toml --host 0.0.0.0 --port 8080

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/weir
# Dependencies first: they change less often than the program.
COPY requirements-service.lock ./
RUN /opt/weir/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements-service.lock
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
RUN /opt/weir/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/weir /opt/weir
COPY measures /opt/weir/measures
COPY mappings /opt/weir/mappings
# Any UID may run it: group 0 owns /data, as platforms that assign a random UID expect.
RUN mkdir /data && chgrp 0 /data && chmod 2770 /data
ENV PATH=/opt/weir/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /data
VOLUME /data
USER 1001:0
ENTRYPOINT ["weir"]
