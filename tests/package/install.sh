#!/usr/bin/env bash
# Runs in the Debian of tests/package.rs, under its systemd: installs the package, starts and stops the service, removes
# everything. /root/freshet.env has settings that work.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

# All of the disk but logs and what apt and dpkg note.
files() {
    find / -xdev \( -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /root \) -prune \
        -o -print | sort
}

is() { [[ $(systemctl show --property "$1" --value freshet) == "$2" ]]; }

until_it() {
    local deadline=$((SECONDS + 60))
    until "$@"; do
        ((SECONDS < deadline))
        sleep 0.1
    done
}

is_ready() {
    {
        exec 3<>/dev/tcp/127.0.0.1/"$HTTP_PORT" &&
            printf 'GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3 && grep -q '^HTTP/1.. 200' <&3
    } 2>/dev/null
}

trap 'echo "line $LINENO: $BASH_COMMAND"; journalctl --no-pager --unit freshet' ERR
files >/root/before

apt-get install --yes --no-install-recommends /root/freshet.deb
freshet --version
[[ $(stat --format '%a %U' /etc/freshet/freshet.env) == '600 root' ]]
for page in freshet freshet-run; do [[ -e /usr/share/man/man1/$page.1.gz ]]; done
[[ -s /usr/share/bash-completion/completions/freshet ]]
grep -q common-licenses/Apache-2.0 /usr/share/doc/freshet/copyright
[[ -s /usr/share/zsh/vendor-completions/_freshet && -s /usr/share/fish/vendor_completions.d/freshet.fish ]]
# What README.md links to is there; the licence is in copyright.
cd /usr/share/doc/freshet
for link in $(grep -o ']([^)#]*' README.md | cut -c3- | grep -v -e ^http -e ^LICENSE$); do [[ -e $link ]]; done
cd /
for file in /usr/share/freshet/reports/*.toml; do freshet schema --reports "$file" >/root/schema.sql; done
freshet schema --reports /usr/share/freshet/reports/glamira.toml | diff - /usr/share/doc/freshet/schema.sql
# Not before its settings are given.
[[ $(systemctl is-enabled freshet) == disabled ]]
is ActiveState inactive
systemd-analyze verify --man=no freshet.service

# Wrong usage is not tried again.
echo FRESHET_TICK=never >>/etc/freshet/freshet.env
systemctl start freshet
until_it is ActiveState failed
is ExecMainStatus 2
is NRestarts 0

cp /root/freshet.env /etc/freshet/freshet.env
. /root/freshet.env
HTTP_PORT=${FRESHET_HTTP##*:}
systemctl enable freshet
systemctl restart freshet
until_it is_ready
# A user of systemd's making, who is gone with the service.
[[ $(stat --format %u "/proc/$(systemctl show --property MainPID --value freshet)") -ge 61184 ]]
systemctl stop freshet
is Result success
is ExecMainStatus 0

apt-get purge --yes --auto-remove freshet
files >/root/after
diff /root/before /root/after
