"""Which part of this process's environment a command with network access inherits."""

import re
from collections.abc import Mapping
from pathlib import Path

_NETWORK_VARIABLES = re.compile(
    r"(https?|ftp|all|no)_proxy|(HTTPS?|FTP|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|NIX_SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|NODE_EXTRA_CA_CERTS|NODE_USE_SYSTEM_CA|GIT_SSL_(CAINFO|CAPATH)|AWS_CA_BUNDLE|COREPACK_NPM_REGISTRY|YARN_NPM_REGISTRY_SERVER"
    r"|PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|CERT|CLIENT_CERT|PROXY|TIMEOUT|DEFAULT_TIMEOUT|RETRIES"
    r"|DISABLE_PIP_VERSION_CHECK|CONFIG_FILE)"
    r"|UV_(DEFAULT_INDEX|INDEX|INDEX_[A-Z0-9_]+|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS"
    r"|KEYRING_PROVIDER|HTTP_[A-Z_]+|OFFLINE|CONCURRENT_[A-Z]+|CONFIG_FILE|EXCLUDE_NEWER)"
    r"|(npm_config|NPM_CONFIG)_(registry|REGISTRY|cafile|CAFILE|ca|CA|https?[-_]proxy|HTTPS?_PROXY|proxy|PROXY|noproxy|NOPROXY"
    r"|strict[-_]ssl|STRICT_SSL|userconfig|USERCONFIG|globalconfig|GLOBALCONFIG|fetch_[a-z_]+|offline|OFFLINE)"
)
"""What a command with `network` inherits: how to reach an index or registry, nothing that changes what is installed where."""


def network_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of `environment` that says how to reach package indexes, plus the user's npm configuration file."""
    allowed = {name: value for name, value in environment.items() if _NETWORK_VARIABLES.fullmatch(name)}
    home = environment.get("HOME")
    if home and not any(name.lower() == "npm_config_userconfig" for name in allowed) and (Path(home) / ".npmrc").is_file():
        allowed["NPM_CONFIG_USERCONFIG"] = str(Path(home) / ".npmrc")
    return allowed
