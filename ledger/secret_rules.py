r"""Secrets in a text: the ways a name stands beside its value.

A table, so that it can be read, argued about and tested row by row: every rule carries examples,
with guillemets around what it must hide, and examples that it must leave alone. Forms that
betray a secret wherever it stands are secret_shapes.py's matter; how documents are walked, and what
a hidden value becomes, is redaction.py's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from operator import itemgetter

from ledger.own_rules import NONE as NO_OWN_RULES
from ledger.own_rules import OwnRules
from ledger.secret_names import ATTACHED, PROGRAMS, TAG, random_parts
from ledger.secret_shapes import SHAPES
from ledger.secret_text import NAME, VALUE, Rule, rule

HEX_DIGITS = "0123456789abcdef"


def secret_spans(
    text: str, *, beside_names: bool, own: OwnRules = NO_OWN_RULES
) -> list[tuple[int, int]]:
    """Start and end of every secret in the text, in order, overlaps joined, tags left alone.
    `beside_names` is False for names and ids, which are random by nature and name nothing: there
    only the forms that nothing else has count.
    """
    tags = [(0, 0), *(tag.span() for tag in TAG.finditer(text))]
    masked = TAG.sub(lambda tag: " " * len(tag[0]), text) if tags[1:] else text
    found = list(random_parts(masked)) if beside_names else []
    found += own.spans(text)
    lower = text.lower()
    if HINT.search(lower) or any(name in lower for name in own.names):
        rules = (*PAIRS, *SHAPES) if beside_names else SHAPES
        found += [span for each in rules for span in each.secrets(text, own.names)]
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        first = tags[bisect_right(tags, start, key=itemgetter(0)) - 1]
        last = tags[bisect_right(tags, end - 1, key=itemgetter(0)) - 1]
        if end <= first[1]:
            continue
        # A tag is never cut: a span that reaches into one takes it in.
        start, end = first[0] if start < first[1] else start, max(end, last[1])
        # Nor may what follows look like more of the tag that will stand here.
        while end < len(text) and text[end] in HEX_DIGITS:
            end += 1
        if joined and start < joined[-1][1]:
            start, end = joined[-1][0], max(end, joined.pop()[1])
        joined.append((start, end))
    return joined


PAIRS: tuple[Rule, ...] = (
    rule(
        "name=value",
        NAME + r"(?:\\{0,8}[\"'])?\]?[ \t]*(?:=>|:=|\+?=(?![=~>]))"
        r"(?:[ \t]+(?!--?[A-Za-z])|(?![ \t]))",
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
            "-Dinitial_token= -Dport=1",
            'password="${DB_PASSWORD:-}"',
        ),
        value=VALUE,
    ),
    rule(
        "--flag value",
        r"(?<![\w-])(?P<name>--?[A-Za-z][\w.-]{0,120})(?:[ \t]|\\\n)+(?![-|&;<>])",
        ("tool --db-password «hunter2» --v", "keytool -storepass «changeit»"),
        ("--token-ttl 3600", "--password --user x", "--private-key /etc/tls/key.pem"),
        value=VALUE,
    ),
    rule(
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
    rule(
        "line of a configuration file",
        r"(?:^|(?<=\n))[ \t]*(?:- )?(?P<name>[A-Za-z_][\w.-]{0,120}):[ \t]+(?![|>&!])",
        ("user: a\npassword: «correct horse»\n", "  token: '«hunter2»'"),
        ("log_level: debug", "secretName: db", "key: password"),
        value=rf"(?=[\"']){VALUE}|(?P<secret>[^\s\"'][^\n]*)",
    ),
    rule(
        "block of a configuration file",
        r"(?:^|(?<=\n))(?P<indent>[ \t]*)(?:- )?(?P<name>[A-Za-z_][\w.-]{0,120}):[ \t]+"
        r"[|>][-+0-9]*[ \t]*\n(?P<secret>(?:(?P=indent)[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)+)",
        ("a:\n  password: |\n«    hunter2\n    second»\n  user: x\n",),
        ("script: |\n  run\n",),
    ),
    rule(
        "value on the next line",
        r"(?:^|(?<=\n))(?P<indent>[ \t]*)(?:- )?(?P<name>[A-Za-z_][\w.-]{0,120}):[ \t]*\n"
        r"(?P=indent)[ \t]+(?:- )?(?![\w.-]+:(?:\s|\Z))(?P<secret>[^\s#][^\n]*)",
        ("db:\n  password:\n    «hunter2»\n  user: a\n", "tokens:\n  - «abc»\n"),
        ("password:\nuser: a\n", "secret:\n  name: db\n", "levels:\n  info\n"),
    ),
    rule(
        "bare auth",
        r"(?<![\w.-])auth(?:\\{0,8}[\"'])?[ \t]*[:=][ \t]*(?:\\{0,8}[\"'])?"
        r"(?P<secret>(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*[0-9=])[\w+/-]{8,}={0,2})",
        ('{"auths":{"r":{"auth":"«YXBwOmh1bnRlcjI=»"}}}', "auth: «YXBwOmh1bnRlcjI=»"),
        ("auth: ldap", "auth: scram-sha-256", "auth=kubernetes"),
    ),
    rule(
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
    rule(
        "header in quotes",
        r"(?P<q>\\{0,8}[\"'])(?P<name>[\w-]{1,80}):[ \t]+(?P<secret>(?:(?!(?P=q))[^\n])+)",
        ('curl -H "Authorization: «Bearer abc»" http://x', "-H 'X-Api-Key: «k»'"),
        ('-H "Accept: text/html"',),
    ),
    rule(
        "name: value in a sentence",
        r"(?<![\w:/.-])(?P<name>[A-Za-z_][\w.-]{0,120}):[ \t]+",
        ("set the new password: «hunter2», see CHG-7", "now with token: «abcdef»"),
        ("failed to fetch token: context deadline exceeded", "done: CHG-7"),
        value=r"(?=\S*[A-Z0-9_!#$%^*+=@~-]|\S+\s*\Z)" + VALUE,
    ),
    rule(
        "name:value",
        r"(?<![\w:/.-])(?P<name>[\w.-]{0,80}(?i:password|passwd|passphrase)):(?=[^\s/])(?![-?]\})",
        ("password:«hunter2»",),
        ("docker.io/password:1.2",),
        value=VALUE,
    ),
    rule(
        "password in a sentence",
        r"(?i:(?<![\w-])(?:password|passwd|passphrase)(?: is| to| was|))[ \t]+"
        r"(?=[^\s\"']*\d)(?P<secret>[^\s\"'/,;&|(){}<>=:-][^\s\"',;&|]{5,})",
        ("rotated the password to «hunter2».", "login a password «hunter2»"),
        ("password authentication failed", "password file /etc/a1", "password for db-0"),
    ),
    rule(
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
    rule(
        "element",
        r"<(?P<name>[A-Za-z_][\w.:-]{0,120})>(?P<secret>[^<]+)</",
        ("<user>a</user><password>«hunter2»</password>",),
        ("<level>info</level>",),
    ),
    rule(
        "elements of a name and its value",
        r"<(?:name|key)>(?P<name>[\w.-]{1,120})</\w+>\s*<value>(?P<secret>[^<]+)<",
        ("<name>fs.s3a.secret.key</name> <value>«hunter2»</value>",),
        ("<name>fs.s3a.endpoint</name><value>s3.example.com</value>",),
    ),
    rule(
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
    rule(
        "command that takes a password",
        r"\brabbitmqctl[ \t](?:[^\n;|&]{0,200}[ \t])?(?:add_user|change_password|authenticate_user)"
        r"[ \t]+\S+[ \t]+|\bhtpasswd[ \t]+-[A-Za-z]*b[A-Za-z]*[ \t]+\S+[ \t]+\S+[ \t]+"
        r"|\b(?:on|off)[ \t](?:[^\n]{0,200}[ \t])?>"
        r"|\bvault[ \t]+login[ \t]+(?:-[\w-]+(?:=\S+)?[ \t]+){0,8}(?![\w-]+=|[-|&;<>])"
        r"|\b(?:docker|podman|nerdctl|skopeo|buildah|oras|crane|registry)[ \t](?:auth[ \t]+)?login"
        r"(?=[ \t])[^\n;|&]{0,300}?[ \t]-p[ \t=]*",
        (
            "rabbitmqctl -q add_user a «hunter2»",
            "htpasswd -bc /etc/x a «hunter2»",
            "user default on ~* >«hunter2» +@all",
            "vault login -no-print «hunter2»",
            "docker login -u a -p «hunter2» registry.example.com",
        ),
        (
            "rabbitmqctl list_users",
            "on time > late",
            "vault login -method=k8s role=a",
            "docker run -p 80:80 x",
        ),
        value=VALUE,
    ),
    rule(
        "password in a pipe",
        r"\becho[ \t]+(?:-\w+[ \t]+)?(?P<q>[\"']?)(?:\w{1,80}:)?(?P<secret>[^\s\"'|]{1,200})(?P=q)"
        r"[ \t]*\|[ \t]*(?:sudo[ \t]+)?(?=chpasswd|passwd[ \t])",
        ("echo 'root:«hunter2»' | chpasswd", "echo «hunter2» | passwd --stdin a"),
        ("echo root | grep passwd",),
    ),
    rule(
        "flag of a known program",
        "|".join(
            rf"(?<![\w-]){name}(?=[ \t])[^\n;|&]{{0,300}}?[ \t](?:{flags})[ \t=]*"
            for name, flags in PROGRAMS.items()
        ),
        ("redis-cli -h db -a «hunter2» ping", "curl -sSu «app:hunter2» http://x | jq"),
        ('redis-cli -a "$REDIS_PASSWORD" ping', "redis-cli ping; ls -a x"),
        value=VALUE,
    ),
    rule(
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
    "|curl|mysql|mariadb|rabbitmqctl| >|\\bpin\\b|vault|login|sq0|whsec_|ya29|gocspx"
    "|hf_|gl(?:sa|c)_|dapi|nrak|dp\\.|atatt|pscale_|lin_api|:aa|q~|1//|webhook|sk[0-9a-f]{32}"
)
"""Found in the lower-case form of every text in which any rule sees something."""
