# CPU:  docker build -t likeness .
# CUDA: docker build -t likeness:cuda --build-arg VARIANT=cu130 .
FROM python:3.11-slim

# Which of PyTorch's own builds to install: cpu, or a CUDA version like cu130.
ARG VARIANT=cpu

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    LIKENESS_HOME=/data HF_HOME=/data/hub

WORKDIR /app
# Triton compiles what starts its kernels.
RUN if [ "$VARIANT" != cpu ]; then \
        apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; \
    fi

COPY requirements.lock .
RUN pip install --index-url "https://download.pytorch.org/whl/${VARIANT}" "$(grep '^torch==' requirements.lock)" \
    && pip install -r requirements.lock

COPY . .
RUN useradd --create-home --uid 1000 likeness && mkdir /data && chown likeness /data
USER likeness
VOLUME /data

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "bot", "health"]
CMD ["python", "-m", "bot", "run"]
