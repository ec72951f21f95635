# One image for every service: `docker run tillbridge python -m services.ingress`.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY shared shared
COPY deploy deploy
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
 && /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /venv/bin/pip uninstall --yes --quiet setuptools wheel

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin tillbridge
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HEALTH_HOST=0.0.0.0 HEALTH_PORT=9100
USER 10001
WORKDIR /tmp
EXPOSE 8080 9100
CMD ["tillbridge", "--help"]
