"""Servers that speak S3 or Azure Blob Storage, each with the settings that reach it.

Must not know: Touriga's processes. Invariant: a store has the bucket before anybody asks it; what a test writes and lists goes past the proxy.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import re
import shutil
import subprocess
import time
import urllib.parse

BUCKET = "depot"


def ask(port, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def until_there(port):
    for _ in range(200):
        try:
            return ask(port, "GET", "/")
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"no server at port {port}")


class S3:
    """s3s-fs of crates.io, which checks signatures; objects are files of its folder."""

    scheme, address, package = "s3", f"s3://{BUCKET}", ("s3s-fs", "0.14.1")
    key, secret = "touriga", "a secret/with+signs"

    def binary(self, cache):
        root = cache / "s3s"
        binary = root / "bin" / self.package[0]
        if not binary.exists():
            subprocess.run(["cargo", "install", self.package[0], "--version", self.package[1], "--features", "binary", "--debug",
                            "--locked", "--root", root, "--target-dir", root / "build"], check=True)
            shutil.rmtree(root / "build", ignore_errors=True)
        return binary

    def start(self, binary, ports, folder, log):
        port, _ = ports
        self.depot = folder / "depot" / BUCKET
        self.depot.mkdir(parents=True)
        return subprocess.Popen([binary, "--host", "127.0.0.1", "--port", str(port), "--access-key", self.key,
                                 "--secret-key", self.secret, self.depot.parent], stdout=log, stderr=log)

    def settings(self, port):
        return {"endpoint": f"http://127.0.0.1:{port}", "region": "sa-east-1", "accessKey": self.key, "secretKey": self.secret}

    def put(self, key, text):
        path = self.depot / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def list(self, folder):
        found = (self.depot / folder).rglob("*") if (self.depot / folder).exists() else []
        return [path.relative_to(self.depot).as_posix() for path in found if path.is_file()]


class Azure:
    """Azurite of npm, which checks signatures."""

    scheme, address, package = "adl2", f"adl2://{BUCKET}", ("azurite", "3.35.0")
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def binary(self, cache):
        root = cache / "azurite"
        binary = root / "node_modules/.bin/azurite-blob"
        if not binary.exists():
            root.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--prefix", root, "--no-audit", "--no-fund", "@".join(self.package)], check=True)
        return binary

    def start(self, binary, ports, folder, log):
        self.port = port = ports[0]
        process = subprocess.Popen([binary, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--skipApiVersionCheck",
                                    "--location", folder / "azurite", "--silent"], stdout=log, stderr=log)
        until_there(port)
        status, said = self.signed("PUT", f"/{BUCKET}", {"restype": "container"})
        assert status == 201, said
        return process

    def settings(self, port):
        return {"endpoint": f"http://127.0.0.1:{port}/{self.account}", "accountName": self.account, "accessKey": self.key}

    def signed(self, method, path, query=None, body=b"", more=None):
        """A request with a shared key's signature."""
        headers = {"x-ms-date": datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT"),
                   "x-ms-version": "2021-08-06", **(more or {})}
        path = f"/{self.account}{urllib.parse.quote(path)}"
        length = str(len(body)) if body else ""
        named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        asked = "".join(f"\n{name}:{value}" for name, value in sorted((query or {}).items()))
        text = f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{named}/{self.account}{path}{asked}"
        digest = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
        asked = urllib.parse.urlencode(query or {}, quote_via=urllib.parse.quote)
        return ask(self.port, method, f"{path}?{asked}" if asked else path, body, headers)

    def put(self, key, text):
        status, said = self.signed("PUT", f"/{BUCKET}/{key}", body=text.encode(), more={"x-ms-blob-type": "BlockBlob"})
        assert status == 201, said

    def list(self, folder):
        status, said = self.signed("GET", f"/{BUCKET}", {"restype": "container", "comp": "list", "prefix": folder + "/"})
        assert status == 200, said
        return re.findall("<Name>(.*?)</Name>", said)


STORES = {"s3": S3, "azure": Azure}
