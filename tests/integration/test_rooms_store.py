"""Credentials for one project's room, against the embedded store: every verb, every way of writing a name, every clock.

The attacker holds what the custodian makes for `p-1`. The neighbour is `p-10`, whose name begins as the attacker's own
does. Each attack is made on an object that is there and on one that is not, and both have to be answered alike.
"""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from hvelv.kernel.errors import Denied, NotPossible, Unavailable
from hvelv.kernel.objects import MinioStore, account_of
from hvelv.operation import tables
from hvelv.operation.store import ADMIN, BUCKETS, FILER, MASTER, VOLUME, connect, prepare_buckets, unencrypted
from hvelv.privacy.adapters import passes
from hvelv.privacy.adapters.passes import room_passes
from hvelv.privacy.adapters.rows import SqlExtracts
from hvelv.privacy.domain.rooms import generation_prefix, part_name, reading_rights
from hvelv.privacy.service.extracts import Extract, Part
from hvelv.requests.adapters.store_office import SqlPermitRows
from hvelv.requests.domain.permit import KIND, Permit, PermitAction, PermitState
from hvelv.requests.service.office import Issued
from hvelv.workflows.desk import opened
from tests.builders_operation import Installation, short_folder
from tests.builders_rooms import Caller

pytestmark = pytest.mark.integration

HASH = "0123456789abcdef" * 4
OWN = part_name("p-1", 1, 0, "visits", number=0, sha256=HASH)
NEIGHBOURS = part_name("p-10", 1, 0, "visits", number=0, sha256=HASH)
OTHERS = part_name("p-2", 1, 0, "visits", number=0, sha256=HASH)
TARGETS = {
    f"rooms/{NEIGHBOURS}": b"the neighbour's rows",
    f"rooms/{OTHERS}": b"another project's rows",
    "vault/d-visits/source.parquet": b"the register itself",
    f"sealed/{OTHERS}": b"the rows of a project that has ended",
    "bundles/e-1.zip": b"a bundle",
    "audit/checkpoint": b"a checkpoint",
}
CONTENTS = TARGETS | {f"rooms/{OWN}": b"the attacker's own rows"}
TAGS = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
RETAIN = b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2040-01-01T00:00:00Z</RetainUntilDate></Retention>"
POLICY = b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}'
SELECT = b"<SelectObjectContentRequest><Expression>select * from s3object</Expression><ExpressionType>SQL</ExpressionType></SelectObjectContentRequest>"


@pytest.fixture(scope="module")
def installation():
    with short_folder() as folder:
        made = Installation(folder)
        came_up = made.hvelv("up", "--only", "store")
        assert came_up.returncode == 0, came_up.stdout + came_up.stderr
        yield made
        made.hvelv("down")


@pytest.fixture(scope="module")
def store(installation):
    store = connect(installation.settings)
    for place, content in CONTENTS.items():
        store.put(*place.split("/", 1), content)
    return store


@pytest.fixture(scope="module")
def place(installation):
    return f"127.0.0.1:{installation.settings.store_port}"


@pytest.fixture(scope="module")
def maker(installation, store):
    return room_passes(installation.settings)


def caller(place, made):
    return Caller(place, made.access_key, made.secret_key, made.session_token)


@pytest.fixture(scope="module", autouse=True)
def old(place, maker):
    """Yield credentials from the beginning of this file, and when they were made: they are over when the last tests run."""
    return caller(place, maker.reading("p-1")), time.monotonic()


@pytest.fixture
def attacker(place, maker):
    return caller(place, maker.reading("p-1"))


@pytest.fixture
def platform(installation, place):
    account = account_of(installation.settings)
    return Caller(place, account.access_key, account.secret_key)


def untouched(store):
    return all(store.get(*place.split("/", 1)) == content for place, content in CONTENTS.items())


def told(answer, path):
    """Return all that an answer says, without what differs from request to request and without the name that was asked for."""
    body = (
        re.sub(rb"<(RequestId|HostId)>[^<]*</", b"<>", answer.body)
        .replace(quote(path).encode(), b"")
        .replace(path.encode(), b"")
    )
    key = path.split("/", 2)[-1]
    headers = {k: v for k, v in answer.headers.items() if k not in {"date", "x-amz-request-id", "content-length"}}
    return answer.status, answer.code, headers, body.replace(key.encode(), b"")


READ = {
    "get": ("GET", "", {}, b""),
    "head": ("HEAD", "", {}, b""),
    "get a range": ("GET", "", {"range": "bytes=0-3"}, b""),
    "get if changed": ("GET", "", {"if-none-match": "*"}, b""),
    "head if changed": ("HEAD", "", {"if-modified-since": "Mon, 01 Jan 2024 00:00:00 GMT"}, b""),
    "get a part": ("GET", "partNumber=1", {}, b""),
    "get a version": ("GET", "versionId=null", {}, b""),
    "head a version": ("HEAD", "versionId=null", {}, b""),
    "get as another type": ("GET", "response-content-type=text%2Fhtml", {}, b""),
    "get the access list": ("GET", "acl", {}, b""),
    "get tags": ("GET", "tagging", {}, b""),
    "get retention": ("GET", "retention", {}, b""),
    "get legal hold": ("GET", "legal-hold", {}, b""),
    "get attributes": ("GET", "attributes", {"x-amz-object-attributes": "ETag,ObjectSize"}, b""),
    "get torrent": ("GET", "torrent", {}, b""),
    "list uploaded parts": ("GET", "uploadId=0123456789abcdef", {}, b""),
    "get metadata of the file server": ("GET", "metadata=true", {}, b""),
}  # fmt: skip
WRITE = {
    "put": ("PUT", "", {}, b"evil"),
    "put in chunks": ("PUT", "", {"x-amz-decoded-content-length": "4"}, b"evil"),
    "append": ("PUT", "append", {}, b"evil"),
    "put a version": ("PUT", "versionId=null", {}, b"evil"),
    "put an open access list": ("PUT", "acl", {"x-amz-acl": "public-read"}, b""),
    "put tags": ("PUT", "tagging", {}, TAGS),
    "put retention": ("PUT", "retention", {}, RETAIN),
    "put legal hold": ("PUT", "legal-hold", {}, b"<LegalHold><Status>ON</Status></LegalHold>"),
    "copy there": ("PUT", "", {"x-amz-copy-source": f"/rooms/{OWN}"}, b""),
    "rename there": ("PUT", "renameObject", {"x-amz-rename-source": f"/rooms/{OWN}"}, b""),
    "begin an upload": ("POST", "uploads", {}, b""),
    "upload a part": ("PUT", "partNumber=1&uploadId=0123456789abcdef", {}, b"evil"),
    "copy a part there": ("PUT", "partNumber=1&uploadId=0123456789abcdef", {"x-amz-copy-source": f"/rooms/{OWN}"}, b""),
    "finish an upload": ("POST", "uploadId=0123456789abcdef", {}, b"<CompleteMultipartUpload/>"),
    "abort an upload": ("DELETE", "uploadId=0123456789abcdef", {}, b""),
    "select": ("POST", "select&select-type=2", {}, SELECT),
    "restore": ("POST", "restore", {}, b"<RestoreRequest/>"),
    "post": ("POST", "", {}, b""),
    "delete": ("DELETE", "", {}, b""),
    "delete a version": ("DELETE", "versionId=null", {}, b""),
    "delete tags": ("DELETE", "tagging", {}, b""),
    "delete past retention": ("DELETE", "", {"x-amz-bypass-governance-retention": "true"}, b""),
    "patch": ("PATCH", "", {}, b""),
}  # fmt: skip
CLOSED = {403, 405}


@pytest.mark.attack("S301")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("verb", {**READ, **WRITE})
def test_what_is_not_the_projects_is_closed_to_every_verb_and_says_not_even_whether_it_is_there(attacker, target, verb):
    method, query, headers, body = (READ | WRITE)[verb]
    missing = target[:-4] + "none"

    there = attacker.ask(method, f"/{target}", query, headers=headers, body=body)
    not_there = attacker.ask(method, f"/{missing}", query, headers=headers, body=body)

    assert there.status in CLOSED
    assert TARGETS[target] not in there.body
    assert told(there, f"/{target}") == told(not_there, f"/{missing}")


def test_after_all_that_every_object_is_as_it_was(store):
    assert untouched(store)
    assert store.names("rooms") == sorted(name.removeprefix("rooms/") for name in CONTENTS if name.startswith("rooms/"))


def test_the_projects_own_objects_can_be_read_whole_in_ranges_and_by_list(attacker):
    assert attacker.ask("GET", f"/rooms/{OWN}").body == CONTENTS[f"rooms/{OWN}"]
    assert attacker.ask("GET", f"/rooms/{OWN}", headers={"range": "bytes=4-11"}).body == b"attacker"
    assert attacker.ask("HEAD", f"/rooms/{OWN}").status == 200
    for query in ("list-type=2&prefix=p-1%2F", "prefix=p-1%2F", "prefix=p-1%2Fv1%2F&delimiter=%2F"):
        assert attacker.ask("GET", "/rooms", query).status == 200
    assert OWN.encode() in attacker.ask("GET", "/rooms", "list-type=2&prefix=p-1%2F").body


@pytest.mark.attack("S301")
@pytest.mark.parametrize("verb", WRITE)
def test_nothing_can_be_changed_in_the_projects_own_room(store, attacker, verb):
    method, query, headers, body = WRITE[verb]

    for name in (OWN, "p-1/new"):
        assert attacker.ask(method, f"/rooms/{name}", query, headers=headers, body=body).status in CLOSED
    assert store.get("rooms", OWN) == CONTENTS[f"rooms/{OWN}"]
    assert store.names("rooms", "p-1/") == [OWN]


@pytest.mark.attack("S301")
@pytest.mark.parametrize("source", TARGETS)
def test_nothing_can_be_copied_into_the_projects_own_room(store, attacker, source):
    for written in (
        f"/{source}",
        source,
        f"/rooms/p-1/../../{source}",
        quote(f"/{source}", safe=""),
        f"/{source}?versionId=null",
    ):
        assert attacker.ask("PUT", "/rooms/p-1/copy", headers={"x-amz-copy-source": written}).status == 403
    assert store.names("rooms", "p-1/") == [OWN]


CONFIGURATION = (
    "acl", "policy", "policyStatus", "cors", "lifecycle", "object-lock", "versioning", "encryption", "tagging", "notification",
    "replication", "website", "logging", "ownershipControls", "publicAccessBlock", "requestPayment", "accelerate", "location",
    "inventory", "metrics", "analytics", "versions", "versions&prefix=p-1%2F", "uploads", "uploads&prefix=p-1%2F", "",
)  # fmt: skip


@pytest.mark.attack("S301", "S309")
@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("about", CONFIGURATION)
def test_no_buckets_configuration_versions_or_uploads_can_be_read_or_changed(attacker, bucket, about):
    body = POLICY if about == "policy" else b"<x/>" if about else b""

    assert attacker.ask("GET", f"/{bucket}", about).status == 403
    assert attacker.ask("PUT", f"/{bucket}", about, body=body).status == 403
    assert attacker.ask("DELETE", f"/{bucket}", about).status == 403
    assert attacker.ask("HEAD", f"/{bucket}").status == 403


@pytest.mark.attack("S301")
def test_no_bucket_can_be_found_made_or_removed(attacker, store):
    listed = attacker.ask("GET", "/")
    assert not any(f"<Name>{bucket}<".encode() in listed.body for bucket in BUCKETS)
    assert attacker.ask("PUT", "/new-bucket").status == 403
    assert attacker.ask("GET", "/none-such").status == attacker.ask("GET", "/vault").status == 403
    assert attacker.ask("GET", "/none-such/x").code == attacker.ask("GET", "/vault/x").code == "AccessDenied"
    assert not store.client.bucket_exists("new-bucket")
    assert all(store.client.bucket_exists(bucket) for bucket in BUCKETS)


@pytest.mark.attack("S301")
@pytest.mark.parametrize("bucket", BUCKETS)
def test_many_objects_cannot_be_deleted_at_once(store, attacker, bucket):
    names = [place.split("/", 1)[1] for place in CONTENTS] + ["none"]
    keys = "".join(f"<Object><Key>{name}</Key></Object>" for name in names)
    body = f"<Delete><Quiet>false</Quiet>{keys}</Delete>".encode()

    answer = attacker.ask("POST", f"/{bucket}", "delete", body=body)

    assert b"<Deleted>" not in answer.body
    assert untouched(store)


@pytest.mark.attack("S301")
@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("key", ["p-1/new", "p-10/new", "${filename}"])
def test_a_browsers_form_uploads_nothing(store, place, attacker, bucket, key):
    def form(fields):
        parts = [f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
        last = '--x\r\nContent-Disposition: form-data; name="file"; filename="new"\r\n\r\nevil\r\n--x--\r\n'
        return ("".join(parts) + last).encode()

    headers = {"content-type": "multipart/form-data; boundary=x"}
    token = {
        "x-amz-security-token": attacker.token,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "policy": "e30=",
        "x-amz-signature": "0" * 64,
    }
    for who, fields in ((attacker, {"key": key}), (Caller(place), {"key": key}), (Caller(place), {"key": key} | token)):
        assert who.ask("POST", f"/{bucket}", headers=headers, body=form(fields)).status in {400, 403}
    assert not any("new" in name for name in store.names(bucket))


TRICKS = [
    "../p-10/", "p-1/../p-10/", "p-1/%2e%2e/p-10/", "p-1/%2E%2E%2Fp-10/", "p-1/..%2fp-10/", "p-1%2f..%2fp-10/", "p-1/%252e%252e/p-10/",
    "p-1//../p-10/", "p-1/./../p-10/", "p-1/.../../p-10/", "p-1/..;/p-10/", "p-1/..\\p-10/", "p-1/..%5cp-10/", "p-1\\..\\p-10/",
    "p-1/%00/../p-10/", "p-1/..%00/p-10/", "p-1/%c0%ae%c0%ae/p-10/", "p-1/..%c0%afp-10/", "p-1/%ef%bc%8e%ef%bc%8e/p-10/",
    "p-1/..%ef%bc%8fp-10/", "p-1/..%e2%88%95p-10/", "p-1/x/../../p-10/", "/p-1/../p-10/", "//p-10/", "/p-10/", "p-1/../../rooms/p-10/",
    "p-1/%2e%2e/%2e%2e/rooms/p-10/", "p-1/../../../buckets/rooms/p-10/", "p-1%20/../p-10/", "p-1./../p-10/", "p-1/.%2e/p-10/",
    "p-1%2f%2e%2e%2fp-10/", "P-1/../p-10/", "p-10./", "p-10/./", "p-10//", "p-1/" + "a" * 1020 + "/../../p-10/", "%70-10/", "p-1%30/",
]  # fmt: skip


@pytest.mark.attack("S303")
@pytest.mark.parametrize("trick", TRICKS, ids=range(len(TRICKS)))
def test_no_way_of_writing_a_name_leads_out_of_the_room(store, attacker, trick):
    rest = NEIGHBOURS.removeprefix("p-10/")

    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = attacker.ask(method, f"/rooms/{trick}{rest}", body=b"evil" if method == "PUT" else b"")
        assert answer.status >= 300
        assert CONTENTS[f"rooms/{NEIGHBOURS}"] not in answer.body
    assert attacker.ask("GET", f"/rooms/{trick}{rest}", "tagging").status >= 300
    assert untouched(store)


@pytest.mark.attack("S303")
@pytest.mark.parametrize("bucket", ["vault", "sealed", "audit"])
@pytest.mark.parametrize(
    "way",
    [
        "rooms/p-1/../../",
        "rooms/p-1/%2e%2e/%2e%2e/",
        "rooms/../",
        "rooms%2f..%2f",
        "rooms/p-1/..%2f..%2f",
        "rooms//../",
        "rooms\\..\\",
    ],
)
def test_no_way_of_writing_a_name_leads_into_another_bucket(attacker, bucket, way):
    (target,) = [place for place in TARGETS if place.startswith(bucket)]

    answer = attacker.ask("GET", f"/{way}{target}")

    assert answer.status >= 300
    assert TARGETS[target] not in answer.body


@pytest.mark.attack("S303")
@pytest.mark.parametrize(
    "prefix",
    ["", "p-1", "p-10", "p-10/", "p", "/", "/p-10/", "p-1/../p-10/", "p-1//../p-10/", "p-1/%2e%2e/p-10/", "p-1\\..\\p-10/", "p-1\0/p-10/",
     "*", "p-1*", "p-1?", "p-?0/", "p-1∕", "p-2/"],
)  # fmt: skip
@pytest.mark.parametrize(
    "form",
    [
        "prefix={}",
        "list-type=2&prefix={}",
        "prefix={}&prefix=p-1%2F",
        "prefix={}&delimiter=%2F",
        "prefix={}&max-keys=1&marker=p-1",
    ],
)
def test_no_list_names_what_is_in_another_room(attacker, prefix, form):
    answer = attacker.ask("GET", "/rooms", form.format(quote(prefix, safe="")))

    assert NEIGHBOURS.encode() not in answer.body
    assert OTHERS.encode() not in answer.body
    assert not re.search(rb"<CommonPrefixes><Prefix>p-(10|2)", answer.body)


@pytest.mark.attack("S303")
@pytest.mark.parametrize("more", ["&start-after=p-0", "&continuation-token=cC0x", "&marker=..%2Fp-10", "&marker=p-1%2F..%2Fp-10", "&start-after=..%2F", "&delimiter=1", "&delimiter=-", "&encoding-type=url", "&prefix=p-10%2F", "&Prefix=p-10%2F", ";prefix=p-10%2F", "&fetch-owner=true"])  # fmt: skip
def test_nothing_added_to_a_list_of_the_own_room_widens_it(attacker, more):
    for version in ("", "list-type=2&"):
        answer = attacker.ask("GET", "/rooms", f"{version}prefix=p-1%2F{more}")
        assert NEIGHBOURS.encode() not in answer.body
        assert b"p-10" not in answer.body.replace(b"<Prefix>p-10/</Prefix>", b"").partition(b"<Contents>")[2]


IDENTITY = [
    {"Action": "AssumeRole", "RoleArn": "arn:aws:iam::role/ProjectReader", "RoleSessionName": "session"},
    {"Action": "AssumeRole", "RoleArn": "arn:aws:iam::role/Admin", "RoleSessionName": "session"},
    {"Action": "AssumeRoleWithWebIdentity", "RoleArn": "arn:aws:iam::role/ProjectReader", "RoleSessionName": "session", "WebIdentityToken": "x"},
    {"Action": "AssumeRoleWithLDAPIdentity", "LDAPUsername": "x", "LDAPPassword": "x", "RoleArn": "arn:aws:iam::role/ProjectReader", "RoleSessionName": "session"},
    {"Action": "GetFederationToken", "Name": "x"}, {"Action": "GetSessionToken"}, {"Action": "ListUsers"},
    {"Action": "CreateUser", "UserName": "x"}, {"Action": "CreateAccessKey", "UserName": "platform"}, {"Action": "ListAccessKeys", "UserName": "platform"},
    {"Action": "PutUserPolicy", "UserName": "platform", "PolicyName": "x", "PolicyDocument": POLICY.decode()}, {"Action": "GetUser", "UserName": "platform"},
    {"Action": "CreateRole", "RoleName": "x", "AssumeRolePolicyDocument": POLICY.decode()}, {"Action": "ListRoles"}, {"Action": "ListPolicies"},
    {"Action": "AttachRolePolicy", "RoleName": "ProjectReader", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    {"Action": "DeleteUser", "UserName": "platform"}, {"Action": "CreateServiceAccount", "ParentUser": "platform"},
]  # fmt: skip


@pytest.mark.attack("S301")
@pytest.mark.parametrize("action", IDENTITY, ids=lambda action: action["Action"])
def test_credentials_make_no_others_and_change_no_rights(place, attacker, action):
    body = urlencode(
        action
        | {"Version": "2011-06-15" if "Assume" in action["Action"] or "Token" in action["Action"] else "2010-05-08"}
    ).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}

    for who in (attacker, Caller(place)):
        for service in ("sts", "iam"):
            answer = who.ask("POST", "/", headers=headers, body=body, service=service)
            assert answer.status >= 400
            assert b"AccessKey" not in answer.body.replace(b"AccessKeyId does not exist", b"").replace(
                b"InvalidAccessKey", b""
            )


@pytest.mark.attack("S310")
@pytest.mark.parametrize("offset", [MASTER, VOLUME, FILER, ADMIN])
def test_credentials_open_no_inner_door_of_the_store(installation, attacker, offset):
    inner = Caller(
        f"127.0.0.1:{installation.settings.store_internal_port + offset}",
        attacker.access,
        attacker.secret,
        attacker.token,
    )

    for method, path in (
        ("GET", f"/buckets/rooms/{NEIGHBOURS}"),
        ("DELETE", f"/buckets/rooms/{NEIGHBOURS}"),
        ("GET", "/buckets/vault/"),
        ("GET", "/api/users"),
    ):
        try:
            answer = inner.ask(method, path, headers={"authorization-bearer": attacker.token})
        except OSError:
            continue  # it does not listen at all
        assert answer.status >= 300
        assert CONTENTS[f"rooms/{NEIGHBOURS}"] not in answer.body


STRANGERS = {
    "nobody": lambda c: Caller(c.place),
    "no token": lambda c: Caller(c.place, c.access, c.secret),
    "half a token": lambda c: Caller(c.place, c.access, c.secret, c.token[: len(c.token) // 2]),
    "a changed token": lambda c: Caller(c.place, c.access, c.secret, c.token[:-6] + ("aaaaaa" if c.token[-6:] != "aaaaaa" else "bbbbbb")),
    "another secret": lambda c: Caller(c.place, c.access, c.secret[::-1], c.token),
    "another key": lambda c: Caller(c.place, c.access[:-4] + "0000", c.secret, c.token),
    "token without algorithm": lambda c: Caller(c.place, c.access, c.secret, "eyJhbGciOiJub25lIn0." + c.token.split(".")[1] + "."),
}  # fmt: skip


@pytest.mark.attack("S306")
@pytest.mark.parametrize("stranger", STRANGERS)
def test_nothing_less_than_the_whole_credentials_opens_the_room(attacker, stranger):
    for name in (OWN, NEIGHBOURS):
        assert STRANGERS[stranger](attacker).ask("GET", f"/rooms/{name}").status == 403


@pytest.mark.attack("S301")
def test_one_projects_token_does_not_serve_with_anothers_key(place, maker, attacker):
    neighbour = caller(place, maker.reading("p-10"))

    for mixed in (
        Caller(place, attacker.access, attacker.secret, neighbour.token),
        Caller(place, neighbour.access, attacker.secret, neighbour.token),
    ):
        assert mixed.ask("GET", f"/rooms/{NEIGHBOURS}").status == 403
    assert neighbour.ask("GET", f"/rooms/{NEIGHBOURS}").status == 200
    assert neighbour.ask("GET", f"/rooms/{OWN}").status == 403


def test_the_role_itself_reaches_nothing_but_rooms_even_without_a_sessions_policy(place, platform):
    body = urlencode(
        {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": passes.EMBEDDED_ROLE, "RoleSessionName": "session"}
    )
    answer = platform.ask(
        "POST", "/", headers={"content-type": "application/x-www-form-urlencoded"}, body=body.encode(), service="sts"
    )
    read = {
        name: re.search(f"<{name}>(.*?)</", answer.body.decode())[1]
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
    }
    unlimited = Caller(place, *read.values())

    assert unlimited.ask("GET", f"/rooms/{OWN}").status == 200
    for target in TARGETS:
        if not target.startswith("rooms/"):
            assert unlimited.ask("GET", f"/{target}").status == 403
    assert unlimited.ask("PUT", "/rooms/p-1/new", body=b"evil").status == 403


@pytest.mark.parametrize("seconds", ["900", "3600", "43200"])
def test_no_longer_life_can_be_asked_for(platform, seconds):
    asked = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": passes.EMBEDDED_ROLE,
        "RoleSessionName": "session",
        "DurationSeconds": seconds,
    }
    answer = platform.ask(
        "POST",
        "/",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(asked).encode(),
        service="sts",
    )
    until = datetime.fromisoformat(re.search("<Expiration>(.*?)</", answer.body.decode())[1])

    assert until <= datetime.now(UTC) + timedelta(seconds=51)


def without_the_last_slash(project, until=None, _generation=""):
    rights = reading_rights(project, until)
    for statement in rights["Statement"]:
        statement["Resource"] = [r.replace(f"{project}/*", f"{project}*") for r in statement["Resource"]]
    return rights


def everything(_project, _until=None, _generation=""):
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}],
    }


def test_what_is_being_stored_beside_what_is_published_is_not_seen(place, maker, store):
    """A run that is killed before it publishes has left parts in the room already."""
    published, unpublished = (generation_prefix("p-1", 1, number) for number in (4, 40))
    for beginning in (published, unpublished):
        store.put("rooms", f"{beginning}labs/0000-x.parquet", b"part")
    member = caller(place, maker.reading("p-1", published))

    assert member.ask("GET", f"/rooms/{published}labs/0000-x.parquet").status == 200
    assert member.ask("GET", f"/rooms/{unpublished}labs/0000-x.parquet").status == 403
    assert member.ask("GET", f"/rooms/{published[:-1]}0/labs/0000-x.parquet").status == 403


@pytest.mark.attack("S301")
@pytest.mark.parametrize("rights", [without_the_last_slash, everything])
def test_credentials_that_do_not_keep_to_one_room_are_found_out_before_any_is_handed_out(
    installation, store, monkeypatch, rights
):
    monkeypatch.setattr(passes, "reading_rights", rights)

    with pytest.raises(Unavailable) as refused:
        room_passes(installation.settings).reading("p-1")

    assert refused.value.code == "store-unproven"
    assert store.names("rooms", "probe") == []


def test_a_store_that_does_not_know_the_time_in_a_policy_gives_no_credentials_by_it(installation):
    maker = room_passes(installation.settings)
    maker.timed = True  # the embedded store refuses such a policy always: the probe cannot read its own room

    with pytest.raises(Unavailable) as refused:
        maker.reading("p-1")

    assert refused.value.code == "store-unproven"


@pytest.mark.attack("S309")
def test_nothing_of_a_withdrawn_object_can_be_read(store, platform, attacker):
    name = "p-1/v1/g0/visits/0001-withdrawn"
    store.put("rooms", name, b"rows with a person")
    store.put("rooms", name, b"rows without")
    assert attacker.ask("GET", f"/rooms/{name}").body == b"rows without"
    store.delete("rooms", name)

    for query in ("", "versionId=null", "versionId=1", "versionId=" + "0" * 32, "partNumber=1"):
        assert attacker.ask("GET", f"/rooms/{name}", query).status >= 400
    versions = platform.ask("GET", "/rooms", "versions&prefix=p-1%2F").body
    assert b"withdrawn" not in versions
    assert b"DeleteMarker" not in versions


@pytest.mark.attack("S309")
def test_an_upload_that_was_never_finished_is_out_of_reach(store, platform, attacker):
    begun = platform.ask("POST", "/rooms/p-1/unfinished", "uploads")
    upload = re.search(r"<UploadId>(.*?)</", begun.body.decode())[1]
    assert (
        platform.ask("PUT", "/rooms/p-1/unfinished", f"partNumber=1&uploadId={upload}", body=b"half a register").status
        == 200
    )

    for method, path, query in (
        ("GET", "/rooms/p-1/unfinished", ""), ("GET", "/rooms/p-1/unfinished", f"uploadId={upload}"), ("GET", "/rooms", "uploads"),
        ("GET", "/rooms", "uploads&prefix=p-1%2F"), ("GET", "/rooms", f"prefix=.uploads%2F{upload}"), ("GET", f"/rooms/.uploads/{upload}/0001.part", ""),
        ("GET", f"/rooms/p-1/../.uploads/{upload}/0001.part", ""), ("POST", "/rooms/p-1/unfinished", f"uploadId={upload}"),
        ("DELETE", "/rooms/p-1/unfinished", f"uploadId={upload}"),
    ):  # fmt: skip
        answer = attacker.ask(method, path, query)
        assert answer.status >= 400
        assert b"half" not in answer.body
        assert upload in path or upload.encode() not in answer.body
    platform.ask("DELETE", "/rooms/p-1/unfinished", f"uploadId={upload}")


@pytest.mark.attack("PS06")
def test_a_rooms_times_are_those_of_publishing_and_carry_nothing_of_the_source(store, attacker, tmp_path):
    source = tmp_path / "part.parquet"
    source.write_bytes(b"rows")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    before = datetime.now(UTC).replace(microsecond=0)

    store.put_file("rooms", "p-1/v1/g0/visits/0002-times", source)
    answer = attacker.ask("HEAD", "/rooms/p-1/v1/g0/visits/0002-times")
    store.delete("rooms", "p-1/v1/g0/visits/0002-times")

    written = datetime.strptime(answer.headers["last-modified"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert before <= written <= datetime.now(UTC)
    assert not any("mtime" in header or "meta" in header for header in answer.headers)


def on_disk(folder, marker):
    return sum(marker in path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.parametrize("bucket", ["vault", "rooms", "sealed", "bundles", "audit"])
@pytest.mark.parametrize("size", [0, 1 << 20, 17 << 20])
def test_what_is_stored_is_not_to_be_found_on_the_disk(installation, store, tmp_path, bucket, size):
    marker, rest = os.urandom(64), os.urandom(size)
    (tmp_path / "file").write_bytes(rest[: size // 2] + marker + rest[size // 2 :])

    store.put_file(bucket, f"p-9/marked-{size}", tmp_path / "file")

    assert marker in store.get(bucket, f"p-9/marked-{size}")
    assert on_disk(installation.settings.domain_dir("store"), marker) == 0
    store.delete(bucket, f"p-9/marked-{size}")


def test_without_the_buckets_encryption_it_would_be_found(installation, store):
    marker = os.urandom(64)
    store.client.make_bucket("in-the-clear")

    store.put("in-the-clear", "marked", marker)

    assert on_disk(installation.settings.domain_dir("store"), marker) > 0


def test_a_bucket_that_lies_in_the_clear_is_found_by_doctor(installation, store):
    assert unencrypted(installation.settings) == []
    store.client.delete_bucket_encryption("sealed")

    assert unencrypted(installation.settings) == ["sealed"]
    prepare_buckets(installation.settings)
    assert unencrypted(installation.settings) == []


def test_what_is_moved_is_encrypted_and_gone_from_where_it_was(installation, store, attacker):
    marker = os.urandom(64)
    store.put("rooms", "p-1/moved", marker)
    assert attacker.ask("GET", "/rooms/p-1/moved").body == marker

    store.move("rooms", "p-1/moved", "sealed")

    assert attacker.ask("GET", "/rooms/p-1/moved").status == 404
    assert attacker.ask("GET", "/sealed/p-1/moved").status == 403
    assert store.get("sealed", "p-1/moved") == marker
    assert on_disk(installation.settings.domain_dir("store"), marker) == 0
    store.delete("sealed", "p-1/moved")


@pytest.mark.attack("S307")
def test_a_presigned_address_reaches_no_further_than_who_made_it(place, attacker):
    anyone = Caller(place)

    assert anyone.ask("GET", f"/rooms/{OWN}", attacker.presigned("GET", f"/rooms/{OWN}", 3600)).status == 200
    for target in TARGETS:
        assert anyone.ask("GET", f"/{target}", attacker.presigned("GET", f"/{target}", 3600)).status == 403
    assert anyone.ask("PUT", f"/rooms/{OWN}", attacker.presigned("PUT", f"/rooms/{OWN}", 3600), body=b"x").status == 403
    moved = attacker.presigned("GET", f"/rooms/{OWN}", 3600)
    assert anyone.ask("GET", f"/rooms/{NEIGHBOURS}", moved).status == 403


@pytest.mark.attack("S307")
def test_the_platform_makes_no_presigned_addresses():
    house = Path(__file__).parents[2]
    sources = [
        path
        for part in (
            "privacy",
            "catalog",
            "requests",
            "enclave",
            "workflows",
            "src/hvelv/kernel",
            "src/hvelv/portal",
            "src/hvelv/operation",
        )
        for path in (house / part).rglob("*.py")
    ]

    assert len(sources) > 100
    assert not [path.name for path in sources if re.search(r"presign|PostPolicy", path.read_text(), re.IGNORECASE)]


def a_permit(project, **changes):
    return Permit.from_document(
        {
            "id": "permit-1", "version": 1, "project": project, "title": "Fettlever", "purpose": "research", "legal_basis": "",
            "summary": "", "application": f"app-{project}", "revision": "r", "members": ["kari"], "lead": "kari", "datasets": [],
            "conditions": [], "valid_from": "2026-01-01", "valid_until": "2126-12-31", "retention_days": 30,
            "decided_at": "2026-01-01T00:00:00+00:00", "decision": {"votes": {"for": 3, "against": 0}, "stewards": []},
        }
        | changes
    )  # fmt: skip


def an_extract(project, name):
    return Extract(
        project=project, dataset="d-1", table="visits", permit_version=1, generation=0, bucket="rooms",
        parts=(Part(name, HASH, 1, 1),), sha256=HASH, steps={}, objections="nothing", fingerprint="f", job="j",
        code_version="test", at=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture(scope="module")
def custodian(installation, store):
    tables.load()
    with opened(installation.settings) as made:
        made.database.create_all()
        yield made


@pytest.mark.attack("S306")
@pytest.mark.parametrize("days", [0, 30])
def test_from_permit_to_sealed_room_on_the_custodians_own_desk(custodian, store, place, days):
    project = f"p-whole{days}"
    permit = a_permit(project, id=f"permit-{days}", retention_days=days)
    name = part_name(project, 1, 0, "visits", number=0, sha256=HASH)
    with custodian.database.transaction() as unit:
        SqlPermitRows().add(
            unit.session, Issued(permit, custodian.signer.sign(KIND, permit.as_dict()), PermitState.ACTIVE)
        )
        custodian.privacy.projects.open(unit, project, {}, "office")
    store.put("rooms", name, b"rows")
    with pytest.raises(Denied):
        custodian.privacy.credentials.issue(project, "ola")
    with pytest.raises(NotPossible):  # nothing is published yet
        custodian.privacy.credentials.issue(project, "kari")
    with custodian.database.transaction() as unit:
        SqlExtracts().add(unit.session, an_extract(project, name))
    member = caller(place, custodian.privacy.credentials.issue(project, "kari"))
    assert member.ask("GET", f"/rooms/{name}").body == b"rows"

    custodian.office.change("stine", project, PermitAction.REVOKE, "slutt")
    ended = time.monotonic()
    custodian.privacy.rooms.look_after()

    with pytest.raises(Denied):
        custodian.privacy.credentials.issue(project, "kari")
    for path in (f"/rooms/{name}", f"/sealed/{name}"):
        assert member.ask("GET", path).status in {403, 404}
    assert store.names("rooms", f"{project}/") == []
    assert store.names("sealed", f"{project}/") == ([name] if days else [])
    assert custodian.privacy.projects.view(project)["ended"]["sealed"]
    assert time.monotonic() - ended < 60


def wait_out(old, seconds=50.5):
    """Wait until the credentials from the beginning of this file are over."""
    who, made = old
    time.sleep(max(0.0, made + seconds - time.monotonic()))
    return who


@pytest.mark.attack("S306")
def test_credentials_are_dead_within_a_minute_of_the_last_moment_at_which_they_can_be_made(old):
    who = wait_out(old)

    assert time.monotonic() - old[1] < 60 or who.ask("GET", f"/rooms/{OWN}").status == 403
    for name in (OWN, NEIGHBOURS, "p-1/none"):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            assert who.ask(method, f"/rooms/{name}").status == 403
    assert who.ask("GET", "/rooms", "prefix=p-1%2F").status == 403


@pytest.mark.attack("S306")
@pytest.mark.parametrize("back", [1, 30, 120, 600, 840, 3600, 86400, -30, -600])
def test_a_clock_that_was_moved_does_not_wake_them(old, back):
    who = wait_out(old)

    assert who.ask("GET", f"/rooms/{OWN}", at=datetime.now(UTC) - timedelta(seconds=back)).status == 403


@pytest.mark.attack("S307")
def test_an_address_presigned_for_a_week_dies_with_the_credentials(old, place):
    who = wait_out(old)

    assert Caller(place).ask("GET", f"/rooms/{OWN}", who.presigned("GET", f"/rooms/{OWN}", 604_800)).status == 403


def test_the_custodian_still_reads_everything(store):
    assert untouched(store)
    assert isinstance(store, MinioStore)
