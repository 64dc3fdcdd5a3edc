r"""Secrets in a text: the forms that betray one, and the ways a name stands beside its value.

A table, so that it can be read, argued about and tested row by row: every rule carries examples,
with guillemets around what it must hide, and examples that it must leave alone. How documents are
walked, and what a hidden value becomes, is redaction.py's matter.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from operator import itemgetter

from ledger.secret_names import ATTACHED, PROGRAMS, TAG, random_parts
from ledger.secret_text import NAME, VALUE, Rule


def secret_spans(text: str, *, beside_names: bool) -> list[tuple[int, int]]:
    """Start and end of every secret in the text, in order, overlaps joined, tags left alone.
    `beside_names` is False for names and ids, which are random by nature and name nothing: there
    only the forms that nothing else has count.
    """
    tags = [(0, 0), *(tag.span() for tag in TAG.finditer(text))]
    masked = TAG.sub(lambda tag: " " * len(tag[0]), text) if tags[1:] else text
    found = list(random_parts(masked)) if beside_names else []
    if HINT.search(text.lower()):
        rules = (*PAIRS, *SHAPES) if beside_names else SHAPES
        found += [span for rule in rules for span in rule.secrets(text)]
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        first = tags[bisect_right(tags, start, key=itemgetter(0)) - 1]
        last = tags[bisect_right(tags, end - 1, key=itemgetter(0)) - 1]
        if end <= first[1]:
            continue
        # A tag is never cut: a span that reaches into one takes it in.
        start, end = first[0] if start < first[1] else start, max(end, last[1])
        if joined and start < joined[-1][1]:
            start, end = joined[-1][0], max(end, joined.pop()[1])
        joined.append((start, end))
    return joined


def _rule(
    name: str, pattern: str, examples: tuple[str, ...], keeps: tuple[str, ...], value: str = ""
) -> Rule:
    compiled = re.compile(value, re.DOTALL) if value else None
    return Rule(name, re.compile(pattern, re.DOTALL), compiled, examples, keeps)


SHAPES: tuple[Rule, ...] = (
    _rule(
        "pem",
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{1,40}-----(?:.*?-----END [A-Z0-9 ]{1,40}-----|.*))",
        (
            "key: «-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----»\nnext",
            "«-----BEGIN PRIVATE KEY-----\ncut off»",
        ),
        ("----- BEGIN -----",),
    ),
    _rule(
        "jwt",
        r"(?<![\w-])(?P<secret>eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){0,3})",
        ("t «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl»",),
        ("eyJude.mp3", "heyJude-the-song.eyJude-the-band"),
    ),
    _rule(
        "aws access key id",
        r"(?<![A-Z0-9])(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Z0-9])",
        ("user «AKIAIOSFODNN7EXAMPLE» gone",),
        ("ASIATIC", "AKIAIOSFODNN7"),
    ),
    _rule(
        "github token",
        r"(?<![A-Za-z0-9])(?P<secret>gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})",
        ("«ghp_0123456789abcdefghijABCDEFGHIJ0123»", "«github_pat_11ABCDEFG0123456789_abc»"),
        ("ghp_short", "github_patterns"),
    ),
    _rule(
        "slack token or hook",
        r"(?<![A-Za-z0-9])(?P<secret>xox[a-z]-[\w-]{15,})|hooks\.slack\.com/(?P<bare>[\w/]{10,})",
        (
            "«xoxb-123456789012-abcdefGHIJ»",
            "https://hooks.slack.com/«services/T00000000/B00000000/XXXXXXXX»",
        ),
        ("xoxo-love", "hooks.slack.com/help"),
    ),
    _rule(
        "vendor token",
        r"(?<![A-Za-z0-9])(?P<secret>[srp]k_(?:live|test)_\w{10,}|AIza[\w-]{30,}|glpat-[\w-]{15,}"
        r"|npm_[A-Za-z0-9]{30,}|hv[sbr]\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|dop_v1_[0-9a-f]{32,}"
        r"|pypi-[\w-]{30,}|shpat_[0-9a-f]{32}|sk-[\w-]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{30,})",
        (
            "«sk_live_0123456789abcdef»",
            "«AIzaSyA0123456789abcdefghijklmnopqrstu»",
            "«glpat-abcdefghij0123456789»",
            "«npm_abcdefghijABCDEFGHIJ0123456789abcdef»",
            "«hvs.CAESIJ0123456789abcdefghij»",
        ),
        ("npm_config_cache", "sk_live_", "risk-assessment-of-the-whole-estate", "glpat-"),
    ),
    _rule(
        "password hash",
        r"(?P<secret>\$(?:2[abxy]|[156y]|apr1|argon2id?)\$[\w./$=,+-]{20,})",
        ("app:«$2y$10$abcdefghijklmnopqrstuvwxyzABCDEFGHIJ»",),
        ("$1$", "costs $5"),
    ),
    _rule(
        "authorization scheme",
        r"(?i:(?<!\w)(?:bearer|basic))[ \t]+(?P<secret>(?=[\w.~+/-]*[0-9=])[\w.~+/=-]{6,})",
        ("Bearer «abc123def456»", 'X-Auth: "basic «YWRtaW46aHVudGVyMg==»"'),
        ("Basic authentication", "the bearer of bad news", "Bearer $TOKEN"),
    ),
    _rule(
        "url userinfo",
        r"://(?:(?:\{\{[^{}]{0,80}\}\}|(?!\{\{)[^\s/?#@:\"'\\])*:)?(?!git@)(?P<secret>"
        r"[^\s/?#\"'\\]+(?=@(?!sha\d))|(?<=:)(?!//|[0-9]{1,5}[/?#])[^\s\"'@\\]{1,200}(?=@))",
        (
            "postgres://app:«hunter2»@db:5432/shop?x=a@b",
            "https://«t0k3n»@host/path",
            "amqp://u:«p1»@a,amqp://u:«p2»@b",
            "redis://:«p@ss»@cache",
            "postgres://app:«sl/ash»@db",
        ),
        (
            "https://host/a@b",
            "http://host:8080/u@v",
            "ssh://git@host/repo",
            "docker-pullable://nginx@sha256:00",
            "postgres://$(USER):$(PASSWORD)@db",
        ),
    ),
    _rule(
        "userinfo without scheme",
        r"(?<![\w.+-])[\w.+-]{0,80}:(?!\d{1,5},)(?P<secret>[^\s:@/\"'\\]{1,200})@(?!sha\d)"
        r"(?=tcp\(|unix\(|\[?[\w.-]+[\]:/])|(?i:thin:)\w{1,80}/(?P<bare>[^\s:@/\"'\\]{1,200})(?=@)",
        (
            "root:«hunter2»@tcp(db:3306)/shop",
            "app:«hunter2»@db:5432",
            "jdbc:oracle:thin:a/«hunter2»@db:1",
        ),
        ("nginx:1.25@sha256:0123", "mailto:me@example.com", "1@kafka-0:9093,2@kafka-1:9093"),
    ),
    _rule(
        "signed url",
        r"(?i:[?&](?:sig|x-amz-signature|x-goog-signature)=)(?P<secret>[^&\s\"'\\]+)",
        ("https://a/b?sv=1&sig=«abc%3D»&x=1",),
        ("config=1",),
    ),
)
"""Seen by their form alone, wherever they stand."""


PAIRS: tuple[Rule, ...] = (
    _rule(
        "name=value",
        NAME + r"(?:\\{0,8}[\"'])?\]?[ \t]*(?:=>|:=|\+?=(?![=~>]))[ \t]*",
        (
            "API_TOKEN=«hunter2» exec nginx",
            "--db.password=«hunter2» -v",
            "export PGPASSWORD='«a b»'; psql",
            "-DkeyStorePassword=«changeit» -Xmx1g",
            'JaasModule required password="«a\\"b»";',
            "Server=db;Password=«hunter2»;Timeout=3",
            "/login?user=a&password=«hunter2»&x=1",
            'conf["api_key"] = "«hunter2»"',
            "PASSWORD=«'a'\"b\"'c'»",
        ),
        (
            "LOG_LEVEL=debug",
            "TOKEN_TTL=3600",
            "PASSWORD_FILE=/run/secrets/db",
            "PASSWORD=$(cat /run/secrets/db)",
            "PASSWORD=${DB_PASSWORD}",
            'test "$TOKEN" == x',
            "ALLOW_EMPTY_PASSWORD=yes",
        ),
        value=VALUE,
    ),
    _rule(
        "--flag value",
        r"(?<![\w-])(?P<name>--?[A-Za-z][\w.-]{0,120})(?:[ \t]|\\\n)+(?![-|&;<>])",
        ("tool --db-password «hunter2» --v", "keytool -storepass «changeit»"),
        ("--token-ttl 3600", "--password --user x", "--private-key /etc/tls/key.pem"),
        value=VALUE,
    ),
    _rule(
        "quoted name",
        r"(?P<q>\\{0,8}[\"'])(?P<name>[\w.@/ -]{1,120})(?P=q)"
        r"(?::\s*|\s+:\s*(?=\\{0,8}[\"']|[\d{[]))",
        (
            'curl -d {"user":"a","password":"«hunter2»"}',
            r"{\"api_key\": \"«hunter2»\"}",
            "'token' : '«x»'",
        ),
        ('{"secretName":"db"}', 'volume "db-secret" : secret "db" not found'),
        value=VALUE,
    ),
    _rule(
        "line of a configuration file",
        r"(?:^|(?<=\n))[ \t]*(?:- )?(?P<name>[A-Za-z_][\w.-]{0,120}):[ \t]+(?![|>&!])",
        ("user: a\npassword: «correct horse»\n", "  token: '«hunter2»'"),
        ("log_level: debug", "secretName: db", "key: password"),
        value=rf"(?=[\"']){VALUE}|(?P<secret>[^\s\"'][^\n]*)",
    ),
    _rule(
        "block of a configuration file",
        r"(?:^|(?<=\n))(?P<indent>[ \t]*)(?:- )?(?P<name>[A-Za-z_][\w.-]{0,120}):[ \t]+"
        r"[|>][-+0-9]*[ \t]*\n(?P<secret>(?:(?P=indent)[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)+)",
        ("a:\n  password: |\n«    hunter2\n    second»\n  user: x\n",),
        ("script: |\n  run\n",),
    ),
    _rule(
        "name and value in lines, attributes or truncated JSON",
        r"\b(?:name|key)(?:\\{0,8}[\"'])?[ \t]*[:=][ \t]*\\{0,8}[\"']?(?P<name>[\w.-]{1,120})"
        r"\\{0,8}[\"']?(?:\s*,)?\s*(?:\\{0,8}[\"'])?value(?:\\{0,8}[\"'])?[ \t]*[:=][ \t]*",
        (
            "- name: DB_PASSWORD\n  value: «hunter2»\n",
            '[{"name":"DB_PASSWORD","value":"«hunter2»"},{"na',
            "<property name='password' value='«hunter2»'/>",
        ),
        ("- name: LOG_LEVEL\n  value: debug\n",),
        value=VALUE,
    ),
    _rule(
        "header in quotes",
        r"(?P<q>\\{0,8}[\"'])(?P<name>[\w-]{1,80}):[ \t]+(?P<secret>(?:(?!(?P=q))[^\n])+)",
        ('curl -H "Authorization: «Bearer abc»" http://x', "-H 'X-Api-Key: «k»'"),
        ('-H "Accept: text/html"',),
    ),
    _rule(
        "name: value in a sentence",
        r"(?<![\w:/.-])(?P<name>[A-Za-z_][\w.-]{0,120}):[ \t]+",
        ("set the new password: «hunter2», see CHG-7", "now with token: «abcdef»"),
        ("failed to fetch token: context deadline exceeded", "done: CHG-7"),
        value=r"(?=\S*[A-Z0-9_!#$%^*+=@~-]|\S+\s*\Z)" + VALUE,
    ),
    _rule(
        "name:value",
        r"(?<![\w:/.-])(?P<name>[\w.-]{0,80}(?i:password|passwd|passphrase)):(?=[^\s/])",
        ("password:«hunter2»",),
        ("docker.io/password:1.2",),
        value=VALUE,
    ),
    _rule(
        "password in a sentence",
        r"(?i:(?<![\w-])(?:password|passwd|passphrase)(?: is| to| was|))[ \t]+"
        r"(?=[^\s\"']*\d)(?P<secret>[^\s\"'/,;&|(){}<>=:-][^\s\"',;&|]{5,})",
        ("rotated the password to «hunter2».", "login a password «hunter2»"),
        ("password authentication failed", "password file /etc/a1", "password for db-0"),
    ),
    _rule(
        "password in SQL or a server's configuration",
        r"(?i:\b(?:identified[ \t]+by|password(?:[ \t]+for[ \t]+\S{1,80}[ \t]*=)?))[ \t]+"
        r"(?:(?P<q>['\"])(?P<secret>(?:(?!(?P=q)).)+))"
        r"|(?:^|(?<=\n))[ \t]*(?:requirepass|masterauth)[ \t]+\"?(?P<bare>[^\s\"]+)",
        (
            "alter user a identified by '«hunter2»'",
            "create role a password '«hunter2»'",
            "set password for a = '«hunter2»'",
            "port 1\nrequirepass «hunter2»\n",
        ),
        ("requirepass", "identified by name"),
    ),
    _rule(
        "element",
        r"<(?P<name>[A-Za-z_][\w.:-]{0,120})>(?P<secret>[^<]+)</",
        ("<user>a</user><password>«hunter2»</password>",),
        ("<level>info</level>",),
    ),
    _rule(
        "elements of a name and its value",
        r"<(?:name|key)>(?P<name>[\w.-]{1,120})</\w+>\s*<value>(?P<secret>[^<]+)<",
        ("<name>fs.s3a.secret.key</name> <value>«hunter2»</value>",),
        ("<name>fs.s3a.endpoint</name><value>s3.example.com</value>",),
    ),
    _rule(
        "command that sets a name",
        r"(?i:\b(?:set|setenv|env))(?:[ \t]+-\w+)?[ \t]+"
        r"(?P<name>[A-Z][A-Z0-9_]{2,120}|\w{1,60}_\w{1,60}|requirepass|masterauth)"
        r"[ \t]+(?![-=|&;<>])",
        (
            "setenv API_TOKEN «hunter2»",
            "redis-cli config set requirepass «hunter2»",
            "aws configure set aws_secret_access_key «hunter2»",
        ),
        ("set token expired", "env TOKEN_TTL 5"),
        value=VALUE,
    ),
    _rule(
        "command that takes a password",
        r"\brabbitmqctl[ \t](?:[^\n;|&]{0,200}[ \t])?(?:add_user|change_password|authenticate_user)"
        r"[ \t]+\S+[ \t]+|\bhtpasswd[ \t]+-[A-Za-z]*b[A-Za-z]*[ \t]+\S+[ \t]+\S+[ \t]+"
        r"|\b(?:on|off)[ \t](?:[^\n]{0,200}[ \t])?>",
        (
            "rabbitmqctl -q add_user a «hunter2»",
            "htpasswd -bc /etc/x a «hunter2»",
            "user default on ~* >«hunter2» +@all",
        ),
        ("rabbitmqctl list_users", "on time > late"),
        value=VALUE,
    ),
    _rule(
        "password in a pipe",
        r"\becho[ \t]+(?:-\w+[ \t]+)?(?P<q>[\"']?)(?:\w{1,80}:)?(?P<secret>[^\s\"'|]{1,200})(?P=q)"
        r"[ \t]*\|[ \t]*(?:sudo[ \t]+)?(?=chpasswd|passwd[ \t])",
        ("echo 'root:«hunter2»' | chpasswd", "echo «hunter2» | passwd --stdin a"),
        ("echo root | grep passwd",),
    ),
    _rule(
        "flag of a known program",
        "|".join(
            rf"(?<![\w-]){name}(?=[ \t])[^\n;|&]{{0,300}}?[ \t](?:{flags})[ \t=]*"
            for name, flags in PROGRAMS.items()
        ),
        ("redis-cli -h db -a «hunter2» ping", "curl -sSu «app:hunter2» http://x | jq"),
        ('redis-cli -a "$REDIS_PASSWORD" ping', "redis-cli ping; ls -a x"),
        value=VALUE,
    ),
    _rule(
        "password attached to a known program's flag",
        rf"(?<![\w-])(?:{'|'.join(ATTACHED)})(?=[ \t])[^\n;|&]{{0,300}}?[ \t]-p",
        ("mysql -uroot -p«hunter2» -e 'select 1'", "mysqladmin -p'«a b»' ping"),
        ("mysql -u root -p shop", "mysqladmin ping", "mysql -p$MYSQL_ROOT_PASSWORD"),
        value=VALUE,
    ),
)
"""Announced by a name that stands beside them in the text."""

HINT = re.compile(
    "pass|pwd|pw|[_-]pat|pat=|otp|mnemonic|salt|jwt|token|secret|cred|key|auth|cookie|dsn|conn|sig=|signature=|identified"
    "|://|@|-----|eyj|akia|asia|gh[pousr]_|github_pat_|xox|hooks.slack|[srp]k_|aiza|glpat-|npm_"
    "|hv[sbr]\\.|sg\\.|dop_v1_|pypi-|shpat_|sk-|\\$|bearer|basic|redis-|mongo|cqlsh|nodetool|ldap"
    "|curl|mysql|mariadb|rabbitmqctl| >"
)
"""Found in the lower-case form of every text in which any rule sees something."""
