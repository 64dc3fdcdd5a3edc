"""What the name beside a value says about it, and which values are no secret under any name.

Names are read as words: of snake_case, kebab-case and camelCase. Texts that hold names and values,
and secrets known by their form alone, are secret_rules.py's matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from itertools import pairwise


class Says(Enum):
    """What a name says about its value."""

    NOTHING = 0
    SECRET = 1
    SECRET_OR_PATH = 2
    """The secret or the file that holds it (`PASSWORD_FILE`, `CREDENTIALS`)."""


def announces(name: str, value: str, own: frozenset[str] = frozenset()) -> bool:
    """True when the name says that this value is a secret, and the value could be one: it is not
    empty, a plain yes or no, only references (`$(VAR)`), a tag, or a path where a file is meant.
    """
    said = says(name, own)
    if said is Says.NOTHING or NO_SECRET.fullmatch(value):
        return False
    if _HEX.fullmatch(value) and not _CHECKSUMS.isdisjoint(_WORD.findall(name.lower())):
        return False
    is_path = said is Says.SECRET_OR_PATH and _PATH.fullmatch(value) is not None
    return not (is_path and not any(random_parts(value)))


def says(name: str, own: frozenset[str] = frozenset()) -> Says:
    """What the name of an env entry, flag, header, annotation or field says about its value. Words
    are those of snake_case, kebab-case and camelCase; before a slash stands only a prefix. What is
    left of a name that held a secret itself says nothing. `own` are further words for a secret.
    """
    return _says(name[-256:], own)


@lru_cache(4096)
def _says(name: str, own: frozenset[str]) -> Says:
    if TAG.search(name):
        return Says.NOTHING
    words = [word.lower() for word in _WORD.findall(name.rpartition("/")[2])]
    while words and words[-1].isdigit():
        words.pop()
    joined = "".join(words)
    if joined in _WHOLE or name == "_auth":
        return Says.SECRET
    if joined in ("pwd", "oldpwd") or name == "KEY":
        return Says.SECRET_OR_PATH
    if not words or words[-1] in _ABOUT or name.startswith(_INJECTOR):
        return Says.NOTHING
    if not _COUNTS.isdisjoint((words[0], *words[-2:-1])):
        return Says.NOTHING
    key = any(a in _KEYS and b in ("key", "keys") for a, b in pairwise(words))
    secret = any(word in _SECRETS or word in own or word.endswith(_ENDINGS) for word in words)
    secret = secret or "connectionstring" in joined or "apikey" in joined
    if words[-1] in _PLACES:
        return Says.SECRET_OR_PATH if secret or key else Says.NOTHING
    if secret:
        return Says.SECRET
    return Says.SECRET_OR_PATH if key or not _FILES.isdisjoint(words) else Says.NOTHING


def is_bare_hash(name: str, value: str) -> bool:
    """True when the value is nothing but 32 or more hex digits, and no word of the name (`checksum/
    config`, `containerID`) explains them.
    """
    if _HEX.fullmatch(value) is None or TAG.search(name):
        return False
    return _DIGESTS.isdisjoint(word.lower() for word in _WORD.findall(name))


def program_in(word: str) -> str:
    """The known program (PROGRAMS, ATTACHED, LOGINS) that a command's word runs, or nothing."""
    name = word.rpartition("/")[2]
    return name if name in PROGRAMS or name in ATTACHED or name in LOGINS else ""


def random_parts(text: str) -> Iterator[tuple[int, int]]:
    """Where 32 or more characters stand together that nobody would call a word, a path, a UUID or
    a hex digest.
    """
    for found in _RUN.finditer(text):
        if _is_random(found[0]):
            yield found.span()


def _is_random(run: str) -> bool:
    parts = [part for part in re.split(r"[-_/+=]+", run) if part]
    letters = "".join(parts)
    # Words and UUIDs are short between separators; in base64 a separator is rare.
    if len(letters) < 28 or len(letters) < 8 * len(parts) or _HEX.fullmatch(letters):
        return False
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in letters]
    changes = sum(a != b for a, b in pairwise(kinds)) / len(kinds)
    digits = kinds.count("d")
    if len(letters) - digits < 6:
        return False
    if "u" in kinds and "l" in kinds:
        return changes >= (0.34 if digits else 0.38)
    return digits >= 4 and changes >= 0.22


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRETS = _words(
    "apikeys authorization auths connstr cookie cookies cred creds dbpass dockerconfigjson"
    " dsn jwt keypass masterauth mnemonic otp pass passcode passin passkey passout passphrases"
    " passwds passwords passwort pat pw pwd requirepass salt secrets sshpass storepass tokens"
    " unsealkey userpass"
)
_WHOLE = _words("rediscliauth redisauth neo4jauth dockerauthconfig pin userpin")
_INJECTOR = "vault.hashicorp.com/"
_ENDINGS = (
    *("password", "passwd", "passphrase", "secret", "token", "apikey", "secretkey"),
    *("privatekey", "accesskey", "credential", "authkey"),
)
_FILES = _words("credentials credential keyfile")
_KEYS = _words(
    "account access admin aes api app application auth cipher client crypto decryption deploy"
    " encrypt encryption fernet hmac ingest join jwt license licence master private root rsa server"
    " service session shared sign signing ssh sse ssl storage tls unseal webhook"
)
_PLACES = _words("file files filename path paths dir directory folder location store keystore")
_COUNTS = _words("no skip disable without max min num")
_ABOUT = _words(
    "addr address agent alg algo algorithm annotation annotations arn audience audiences auth"
    " backend backends bucket check claim class controller count days domain driver duration"
    " enabled encoder encoding encryption endpoint engine expiration expire expires expiry"
    " format group header headers hint host hours interval issuer kind label labels length lifetime"
    " limit manager max method min minutes mode mount ms name names namespace namespaces"
    " operator period permission policy port prefix projection prompt provider providers query"
    " ref reference references refs region rejected reload requests required reviewer reviews"
    " role roles rotation rule rules samesite scope scopes seconds secs secure server service"
    " signature size socket spec stdin strategy strength suffix sync timeout ttl type types"
    " uri url urls usage user username validation version volume"
)
_DIGESTS = _words(
    "build checksum commit container digest etag fingerprint guid hash id image md5 ref rev"
    " revision sha sha1 sha256 sha512 span trace uid uuid version sum"
)
_CHECKSUMS = _words("checksum checksums digest")

_REFERENCE = (
    r"\$[A-Za-z_]\w*|\$\{\w+(?::?[-?])?\}|\$\(\w+\)|\$\((?:cat|<)\s+[\"']?[\w./${}-]+[\"']?\)|\{\{[^{}]*\}\}"
    r"|redacted:[0-9A-Za-z._-]+:[0-9a-f]{32}(?![0-9a-f])"
)
NO_SECRET = re.compile(
    rf"(?i:true|false|yes|no|on|off|null|nil|none|enabled|disabled|[01]|\*+|)"
    rf"|(?:{_REFERENCE})(?:[:/@.,-]?(?:{_REFERENCE}))*",
    re.DOTALL,
)
_PATH = re.compile(r"(?:[/~.$]|file:|[A-Za-z]:\\)[^\s\"'=;,]*")
_HEX = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{32,}={0,2}")
TAG = re.compile(r"redacted:[0-9A-Za-z._-]+:[0-9a-f]{32}(?![0-9a-f])")
"""What a hidden value became."""

PROGRAMS: dict[str, str] = {
    "redis-cli": "-a|--pass|AUTH|auth",
    "redis-benchmark": "-a",
    "sshpass": "-p",
    "mongo": "-p",
    "mongosh": "-p",
    "mongodump": "-p",
    "mongorestore": "-p",
    "cqlsh": "-p",
    "nodetool": "-pw",
    "ldapsearch": "-[A-Za-z]*w",
    "ldapwhoami": "-[A-Za-z]*w",
    "curl": "-[A-Za-z]*[uU]|--user|--proxy-user",
}
"""Programs with flags, as a pattern, that announce a secret without naming it."""
ATTACHED = _words(
    "mysql mysqladmin mysqldump mysqlcheck mysqlsh mariadb mariadb-admin mariadb-dump"
)
"""Programs whose `-p` takes a password only when it is attached (`-phunter2`)."""

LOGINS: dict[str, str] = {"vault": "(?!)", "vault login": r"(?!-|[\w-]+=)"} | {
    name: flags
    for program in ("docker", "podman", "nerdctl", "skopeo", "buildah", "oras")
    for name, flags in ((program, "(?!)"), (f"{program} login", "-p"))
}
"""Programs that take a secret only after the word `login`: none before it, then this."""

WHOLE_MANIFESTS = _words(
    "kubectl.kubernetes.io/last-applied-configuration banzaicloud.com/last-applied"
    " objectset.rio.cattle.io/applied"
)
"""Annotations that repeat a whole manifest."""
MAPS = _words("annotations labels matchLabels nodeSelector volumeAttributes options parameters")
"""Fields whose keys people choose."""
REFERENCES = _words(
    "apiGroup apiVersion audience defaultMode expirationSeconds fieldPath group key kind mode name"
    " namespace optional path secretName type uid"
)
"""What may stand below a field that is named after a secret and only points to it."""
OWN_FIELDS = _words(
    "apiVersion claimName containerID currentRevision finalizers generateName hostIP hostname"
    " image imageID kind manager name namespace nodeName podIP resourceVersion secretName"
    " serviceAccount serviceAccountName storageClassName subPath subdomain time type uid"
    " updateRevision volumeHandle volumeName"
)
"""Kubernetes' own fields for names and ids."""
