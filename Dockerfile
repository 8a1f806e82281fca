# restore on CPUs, about 1.4 GB. Serves the page by default; docs/deploy.md shows how to run it.
FROM python:3.13-slim AS build
COPY . /source
# uv fetches torch's CPU build; the default build on Linux brings gigabytes of CUDA libraries.
RUN pip install --no-cache-dir uv
RUN python -m venv --without-pip /opt/restore
RUN uv pip install --no-cache --python /opt/restore --torch-backend=cpu "/source[serve,exr,heic,raw]"
# Only LPIPS, a metric, needs these: 160 MB.
RUN uv pip uninstall --python /opt/restore lpips scipy torchvision
# Compiles the modules of every start: the user of the image cannot write them.
RUN /opt/restore/bin/python -c "import restore.jobs.folder_job, restore.serve.server, cv2, imagecodecs, restore.engine.restorer"

FROM python:3.13-slim
COPY --from=build /opt/restore /opt/restore
# Any user may write here: docker run --user chooses one that owns the mounted folder.
RUN useradd --create-home restore && install -d -m 1777 /var/cache/restore
ENV PATH=/opt/restore/bin:$PATH RESTORE_HOME=/var/cache/restore RESTORE_TOKEN=random
USER restore
EXPOSE 8000
ENTRYPOINT ["restore"]
CMD ["serve", "--host", "0.0.0.0"]
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"]
