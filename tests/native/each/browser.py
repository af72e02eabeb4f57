"""A page of another origin in a real browser: a signed address under the bucket's CORS configuration, and without one."""

import http.server
import json
import queue
import shutil
import subprocess
import tempfile
import threading

from stage import test

# Debian calls the small one so; whoever has the large one may use it.
PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
PAGE = """<!doctype html><meta charset="utf-8"><title>An application</title><script>
(async () => {
  const plan = await (await fetch("/plan")).json(), told = [];
  for (const step of plan) {
    try {
      const body = step.body === undefined ? undefined : new File([step.body], "photo.txt", { type: step.type });
      const answer = await fetch(step.url, { method: step.method, headers: step.headers, body });
      told.push({ status: answer.status, text: await answer.text(), etag: answer.headers.get("etag"), requestId: answer.headers.get("x-request-id"),
                  checksum: answer.headers.get("x-lockwell-checksum-crc64nvme") });
    } catch (error) {
      told.push({ failed: String(error) });
    }
  }
  await fetch("/told", { method: "POST", body: JSON.stringify(told) });
})();
</script>"""


class Page(http.server.ThreadingHTTPServer):
    """The application's own server: it serves the page, what it shall do, and takes what came of it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.origin, self.plan, self.told = f"http://127.0.0.1:{self.server_port}", [], queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/plan":
            self.answer("application/json", json.dumps(self.server.plan).encode())
        else:
            self.answer("text/html", PAGE.encode() if self.path == "/" else b"")

    def do_POST(self):
        self.server.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer("text/plain", b"")

    def log_message(self, *_):
        pass


def visit(page, plan):
    """What each step of the plan came to in a browser of its own."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "no browser: Debian's package chromium-headless-shell has one"
    page.plan = plan
    with tempfile.TemporaryDirectory() as profile:
        # A container's /dev/shm is small, and root has no sandbox; the pages are our own.
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                   f"--user-data-dir={profile}", "--remote-debugging-port=0", page.origin + "/"]
        with open(f"{profile}/log", "w+b") as log:
            browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                return page.told.get(timeout=60)
            except queue.Empty:
                log.seek(0)
                raise AssertionError(f"the page told nothing: {log.read()[-1500:]!r}") from None
            finally:
                browser.kill()
                browser.wait()


def allow(stage, bucket, origin):
    rule = {"AllowedOrigins": [origin], "AllowedMethods": ["GET", "PUT", "HEAD"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag", "X-Request-Id", "X-Lockwell-Checksum-CRC64NVME"]}
    stage.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


def steps(stage, bucket):
    upload, download = stage.native.sign("PUT", bucket, "from the page"), stage.native.sign("GET", bucket, "from the page")
    return [{"method": "PUT", "url": upload, "body": "dragged and dropped", "type": "text/plain", "headers": {"X-Lockwell-Meta-From": "page"}},
            {"method": "GET", "url": download}, {"method": "GET", "url": download, "headers": {"Range": "bytes=0-6"}}]


@test
def a_page_uploads_and_reads_by_signed_addresses(stage):
    bucket, page = stage.bucket("browser"), Page()
    try:
        allow(stage, bucket, page.origin)
        put, got, part = visit(page, steps(stage, bucket))
        assert put.get("status") == 200 and put["etag"] and put["requestId"].startswith("req_"), put
        assert json.loads(put["text"])["etag"] == put["etag"]
        assert (got.get("status"), got.get("text")) == (200, "dragged and dropped") and got["checksum"], got
        assert (part.get("status"), part.get("text")) == (206, "dragged"), part
        there = stage.native.get(bucket, "from the page")
        assert there.content == b"dragged and dropped" and there.headers["content-type"] == "text/plain" and there.headers["x-lockwell-meta-from"] == "page"
    finally:
        page.shutdown()


@test
def a_page_gets_nothing_without_cors_or_under_another_origin_s(stage):
    page = Page()
    try:
        without, other = stage.bucket("browser"), stage.bucket("browser")
        allow(stage, other, "https://elsewhere.example.com")
        for bucket in (without, other):
            stage.native.put(bucket, "from the page", b"was there")
        for answer in visit(page, steps(stage, without) + steps(stage, other)):
            assert "failed" in answer, f"the browser let the page have {answer}"
        for bucket in (without, other):
            assert stage.native.get(bucket, "from the page").content == b"was there", "the upload went through all the same"
    finally:
        page.shutdown()


@test(settings={"security.anonymous_tenant": "default"})
def a_page_with_a_token_uses_the_api_itself(stage):
    """The bucket's CORS answers for /api/v1 as well. A preflight brings no token, so whose bucket it means must be configured."""
    bucket, page = stage.bucket("browser"), Page()
    bearer = {"Authorization": f"Bearer {stage.native.token()}"}
    plan = [{"method": "PUT", "url": f"{stage.endpoint}/api/v1/buckets/{bucket}/objects/a/b", "body": "by token", "type": "text/plain", "headers": bearer},
            {"method": "GET", "url": f"{stage.endpoint}/api/v1/buckets/{bucket}/objects/a/b", "headers": bearer}]
    try:
        for answer in visit(page, plan):
            assert "failed" in answer, f"the browser let the page have {answer} without CORS"
        allow(stage, bucket, page.origin)
        put, got = visit(page, plan)
        assert put.get("status") == 200 and (got.get("status"), got.get("text")) == (200, "by token"), (put, got)
    finally:
        page.shutdown()
