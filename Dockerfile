# syntax=docker/dockerfile:1
# The service alone; compose.yaml puts it beside a broker and a database. It listens on every address of the
# container, so it starts only with a key (NOTIFY_SSE_JWT_SECRET, …_PUBLIC_KEY or …_JWKS_URL). Secrets may be mounted as
# files: NOTIFY_SSE_JWT_SECRET_FILE=/run/secrets/key, and so for the URLs that hold passwords.

# A tag may be moved: `--build-arg BASE=python@sha256:…` takes the very image that you have looked at.
ARG BASE=python:3.12.12-slim-bookworm

FROM $BASE AS build
WORKDIR /src
RUN python -m venv /opt/notify-sse
COPY . .
# Such as `--build-arg EXTRAS=otel`, to send traces.
ARG EXTRAS=""
RUN --mount=type=cache,target=/root/.cache/pip /opt/notify-sse/bin/pip install --disable-pip-version-check --constraint constraints.txt ".${EXTRAS:+[$EXTRAS]}"

FROM $BASE
# Of the source that it is built from: `--build-arg VERSION=… --build-arg REVISION="$(git rev-parse HEAD)"`.
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="notify-sse" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.description="A push gateway that never loses a notification" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.documentation="https://pypi.org/project/notify-sse/"
RUN useradd --uid 10001 --create-home --home-dir /var/lib/notify-sse notify-sse
COPY --from=build /opt/notify-sse /opt/notify-sse
ENV PATH=/opt/notify-sse/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NOTIFY_SSE_HOST=0.0.0.0 \
    NOTIFY_SSE_PORT=8000
USER 10001
WORKDIR /var/lib/notify-sse
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['NOTIFY_SSE_PORT'] + '/healthz', timeout=4)"]
CMD ["notify-sse", "serve"]
