"""A Hugging Face Hub on loopback: the HTTP calls that huggingface_hub makes to publish, and faults on demand.

It runs in a thread of its own, so blocking clients, async ones and other processes can all talk to it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import web

WRITE, READ, STRANGER, FINE, FINE_READ = (
    f"hf_{name}" for name in ("write", "read", "other", "fine", "fineread")
)


def _scoped(*permissions: str) -> dict[str, Any]:
    return {"scoped": [{"entity": {"type": "user", "name": "ann"}, "permissions": list(permissions)}]}


@dataclass
class Repo:
    """One repository: its files by path, as bytes, and its commits' titles."""

    owner: str
    private: bool
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"*.safetensors filter=lfs\n"})
    lfs: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)
    was_public: bool = False
    """Whether it was ever public while it held nothing finished."""
    gated: bool = False
    """Whether its files are only for those who accepted its licence."""

    @property
    def sha(self) -> str:
        return hashlib.sha1(repr(self.commits).encode()).hexdigest()


class HubServer:
    """What the Hub knows, what it was asked, and how it shall misbehave."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens: dict[str, dict[str, Any]] = {
            WRITE: {"name": "ann", "role": "write"},
            READ: {"name": "ann", "role": "read"},
            STRANGER: {"name": "bob", "role": "write"},
            FINE: {
                "name": "ann",
                "role": "fineGrained",
                "fineGrained": _scoped("repo.content.read", "repo.write"),
            },
            FINE_READ: {"name": "ann", "role": "fineGrained", "fineGrained": _scoped("repo.content.read")},
        }
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.calls: list[str] = []
        """`METHOD /path` of every request."""
        self.uploads: list[str] = []
        """Oids of the objects that were sent to the end, in order."""
        self.break_uploads = 0
        """How many of the next uploads lose their connection in the middle."""
        self.break_from = 0
        """How many uploads come through before that."""
        self.hold = threading.Event()
        """While it is cleared, uploads wait in the middle."""
        self.hold.set()
        self.statuses: dict[str, int] = {}
        """Beginning of `METHOD /path` -> the status that it is answered with."""
        self.login_page = False
        """Whether a network stands between that answers everything itself."""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**30, middlewares=[self._note])
        api = "/api/models/{owner}/{name}"
        app.add_routes(
            [
                web.get("/api/whoami-v2", self._whoami),
                web.post("/api/repos/create", self._create),
                web.delete("/api/repos/delete", self._delete),
                web.get(api, self._info),
                web.get(f"{api}/revision/{{revision}}", self._info),
                web.get(f"{api}/tree/{{revision}}", self._tree),
                web.get(f"{api}/auth-check", self._auth_check),
                web.get(f"{api}/auth-check/write", self._auth_check),
                web.put(f"{api}/settings", self._settings),
                web.post(f"{api}/preupload/{{revision}}", self._preupload),
                web.post(f"{api}/commit/{{revision}}", self._commit),
                web.post("/api/validate-yaml", self._validate),
                web.post("/{owner}/{name}.git/info/lfs/objects/batch", self._batch),
                web.put("/lfs/{oid}", self._put),
                web.post("/lfs/verify", self._verify),
                web.get("/{owner}/{name}/resolve/{revision}/{path:.+}", self._resolve),
            ]
        )
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        self.calls.append(call)
        if self.login_page:
            return web.Response(text="<html>Log in to this network</html>", content_type="text/html")
        for start, status in self.statuses.items():
            if call.startswith(start):
                return web.json_response({"error": "on demand"}, status=status)
        return await handler(request)

    def _account(self, request: web.Request) -> dict[str, Any]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise web.HTTPUnauthorized(text=json.dumps({"error": "Invalid username or password."}))
        return self.tokens[token]

    def _repo(self, request: web.Request, *, write: bool = False) -> Repo:
        anonymous = not write and "Authorization" not in request.headers
        account = {"name": None} if anonymous else self._account(request)
        repo = self.repos.get(f"{request.match_info['owner']}/{request.match_info['name']}")
        mine = repo is not None and repo.owner == account["name"]
        if repo is None or (repo.private and not mine):
            raise web.HTTPNotFound(headers={"X-Error-Code": "RepoNotFound"}, text='{"error": "not found"}')
        if write and (not mine or account["role"] == "read"):
            raise web.HTTPForbidden(text='{"error": "You don\'t have the required permissions."}')
        return repo

    async def _whoami(self, request: web.Request) -> web.Response:
        account = self._account(request)
        access = {
            "displayName": "test",
            **{key: account[key] for key in ("role", "fineGrained") if key in account},
        }
        answer = {"type": "user", "name": account["name"], "orgs": account.get("orgs", [])}
        return web.json_response({**answer, "auth": {"type": "access_token", "accessToken": access}})

    async def _create(self, request: web.Request) -> web.Response:
        account, asked = self._account(request), await request.json()
        owner = asked.get("organization") or account["name"]
        name = f"{owner}/{asked['name']}"
        if owner != account["name"] or account["role"] == "read":
            return web.json_response(
                {"error": "You don't have the rights to create a model here."}, status=403
            )
        if name in self.repos:
            return web.json_response(
                {"error": "You already created this model repo", "url": name}, status=409
            )
        self.repos[name] = Repo(
            owner, private=asked.get("visibility") == "private" or bool(asked.get("private"))
        )
        return web.json_response({"url": f"{self.url}/{name}", "name": name})

    async def _delete(self, request: web.Request) -> web.Response:
        account, asked = self._account(request), await request.json()
        name = f"{asked.get('organization') or account['name']}/{asked['name']}"
        if name not in self.repos or self.repos[name].owner != account["name"] or account["role"] == "read":
            raise web.HTTPForbidden(text='{"error": "You don\'t have the required permissions."}')
        del self.repos[name]
        return web.json_response({})

    async def _info(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        files = [{"rfilename": path} for path in sorted(repo.files)]
        return web.json_response(
            {"_id": "1", "id": name, "modelId": name, "sha": repo.sha, "private": repo.private,
             "siblings": files, "tags": [], "downloads": 0, "likes": 0}
        )  # fmt: skip

    async def _tree(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        return web.json_response(
            [
                {"type": "file", "path": path, "size": len(data), "oid": _git(data)}
                for path, data in repo.files.items()
            ]
        )

    async def _auth_check(self, request: web.Request) -> web.Response:
        self._repo(request, write=request.path.endswith("/write"))
        return web.json_response({})

    async def _settings(self, request: web.Request) -> web.Response:
        repo, asked = self._repo(request, write=True), await request.json()
        repo.private = asked.get("visibility", "private" if asked.get("private") else "public") == "private"
        repo.was_public |= not repo.private and not repo.commits
        return web.json_response({"private": repo.private})

    async def _preupload(self, request: web.Request) -> web.Response:
        repo = self._repo(request, write=True)
        files = []
        for file in (await request.json())["files"]:
            path, there = file["path"], repo.files.get(file["path"])
            lfs = path.endswith((".safetensors", ".png")) or file["size"] > 10 * 2**20
            oid = None if there is None else hashlib.sha256(there).hexdigest() if lfs else _git(there)
            files.append(
                {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid}
            )
        return web.json_response({"files": files})

    async def _batch(self, request: web.Request) -> web.Response:
        self._repo(request, write=True)
        objects = []
        for asked in (await request.json())["objects"]:
            entry = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.objects:
                entry["actions"] = {
                    "upload": {"href": f"{self.url}/lfs/{asked['oid']}?signature=secret"},
                    "verify": {"href": f"{self.url}/lfs/verify"},
                }
            objects.append(entry)
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _put(self, request: web.Request) -> web.Response:
        data = bytearray()
        fails = False
        async for chunk in request.content.iter_chunked(2**16):
            if not data:
                fails = self.break_from <= 0 and self.break_uploads > 0
                self.break_from -= 1
                self.break_uploads -= fails
            data += chunk
            if fails and len(data) > 2**10:
                assert request.transport is not None
                request.transport.abort()
            while not self.hold.is_set():
                await asyncio.sleep(0.02)
        oid = request.match_info["oid"]
        if hashlib.sha256(data).hexdigest() != oid:
            raise web.HTTPBadRequest
        self.objects[oid] = bytes(data)
        self.uploads.append(oid)
        return web.Response()

    async def _verify(self, request: web.Request) -> web.Response:
        self._account(request)
        asked = await request.json()
        return web.json_response({}, status=200 if len(self.objects[asked["oid"]]) == asked["size"] else 400)

    async def _validate(self, request: web.Request) -> web.Response:
        content = (await request.json())["content"]
        match = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        try:
            metadata = yaml.safe_load(match[1]) if match else None
        except yaml.YAMLError as error:
            return web.json_response({"errors": [{"message": str(error)}], "warnings": []}, status=400)
        warnings = [] if isinstance(metadata, dict) else [{"message": "empty metadata"}]
        return web.json_response({"errors": [], "warnings": warnings})

    async def _commit(self, request: web.Request) -> web.Response:
        repo = self._repo(request, write=True)
        summary, files, lfs, gone = "", {}, set(), set()
        for line in (await request.text()).splitlines():
            part = json.loads(line)
            value = part["value"]
            match part["key"]:
                case "header":
                    summary = value["summary"]
                    if value.get("parentCommit", repo.sha) != repo.sha:
                        return web.json_response({"error": "A commit has happened since."}, status=412)
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.objects[value["oid"]]
                    lfs.add(value["path"])
                case "deletedFile":
                    gone.add(value["path"])
        repo.files = {path: data for path, data in (repo.files | files).items() if path not in gone}
        repo.lfs = (repo.lfs | lfs) - gone
        repo.commits.append(summary)
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        return web.json_response({"commitOid": repo.sha, "commitUrl": f"{self.url}/{name}/commit/{repo.sha}"})

    async def _resolve(self, request: web.Request) -> web.Response:
        repo, path = self._repo(request), request.match_info["path"]
        if repo.gated:
            raise web.HTTPForbidden(headers={"X-Error-Code": "GatedRepo"}, text='{"error": "gated"}')
        if path not in repo.files:
            raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound"}, text='{"error": "not found"}')
        data = repo.files[path]
        return web.Response(body=data, headers={"ETag": f'"{_git(data)}"', "X-Repo-Commit": repo.sha})


def _git(data: bytes) -> str:
    """The id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextlib.contextmanager
def running_hub() -> Iterator[HubServer]:
    """A Hub that listens on a free port of this machine, until the block ends."""
    hub, loop, up = HubServer(), asyncio.new_event_loop(), threading.Event()

    async def listen() -> web.AppRunner:
        runner = web.AppRunner(hub.app(), shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def serve() -> None:
        runner = loop.run_until_complete(listen())
        up.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    up.wait(10)
    try:
        yield hub
    finally:
        hub.hold.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
