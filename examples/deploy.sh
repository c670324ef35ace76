#!/bin/sh
# Decides a deployment by flags: uses each part of the command `phaseflag` against a local service.
# Fails if any result is not as expected.
#
#     cargo install --path cli
#     sh examples/deploy.sh
#     sh examples/deploy.sh --self-hosted    # against the self-hosted kind of service
set -eu

flags=$(dirname "$0")/flags.json
folder=$(mktemp -d)
service=
end() {
    if [ -n "$service" ]; then kill "$service" 2> /dev/null || :; fi
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "deploy.sh: $*" >&2
    exit 1
}

# A service on a free port. `read` waits for its first line, which has the address.
unset PHASEFLAG_BOOTSTRAP
export PHASEFLAG_API_KEY=sdk-dev-local XDG_CACHE_HOME="$folder/cache" NO_PROXY=127.0.0.1
mkfifo "$folder/output"
phaseflag serve "$flags" "$@" --port 0 --key "$PHASEFLAG_API_KEY" > "$folder/output" &
service=$!
exec 3< "$folder/output"
read -r _ PHASEFLAG_BASE_URL <&3 || fail "the service does not start"
export PHASEFLAG_BASE_URL

# Fetch and check the rules, which are shipped with the release.
phaseflag pull -o "$folder/flags.json"
phaseflag check --strict "$folder/flags.json" || fail "the rules have findings"

# A boolean, as the exit status.
if phaseflag get --exit-code new-checkout-flow --attr plan=pro; then
    checkout=one-page
else
    checkout=three-steps
fi
[ "$checkout" = one-page ] || fail "the checkout is $checkout"

# A rule with a segment: the dashboard is for staff.
phaseflag get --exit-code order-dashboard --attr email=ada@shop.example \
    || fail "staff have no dashboard"
if phaseflag get --exit-code order-dashboard --attr email=ada@mail.example; then
    fail "everybody has the dashboard"
fi

# A value, and the default for an unknown flag.
theme=$(phaseflag get ui-theme --attr color_scheme=dark --default light)
[ "$theme" = dark ] || fail "the theme is $theme"
limit=$(phaseflag get no-such-flag --default 50)
[ "$limit" = 50 ] || fail "the limit is $limit"

# The exit status is 1 for false, and 2 for an error.
status=0
phaseflag get --exit-code new-checkout-flow --attr plan=free || status=$?
[ "$status" = 1 ] || fail "the status for false is $status"
status=0
phaseflag get ui-theme --api-key wrong 2> "$folder/error" || status=$?
[ "$status" = 2 ] || fail "the status for a wrong key is $status"
grep -q 'refused the API key' "$folder/error" || fail "$(cat "$folder/error")"

# The rule that decides a flag.
phaseflag explain new-checkout-flow --attr plan=pro > "$folder/why"
grep -q 'targeting_rules\[0\]: matches and decides' "$folder/why" || fail "$(cat "$folder/why")"

# The share of users in a rollout: about a quarter.
awk 'BEGIN { for (user = 0; user < 1000; user++) print "user-" user * 37 }' > "$folder/users"
count=$(phaseflag split instant-search --users "$folder/users" | awk '$1 == "on" { print $2 }')
{ [ "$count" -gt 200 ] && [ "$count" -lt 300 ]; } || fail "$count of 1000 users have the search"

# While the service is down, the shipped rules are used.
kill "$service"
wait "$service" 2> /dev/null || :
service=
theme=$(phaseflag get ui-theme --no-cache --bootstrap "$folder/flags.json" 2> "$folder/error")
[ "$theme" = light ] || fail "without a service the theme is $theme"
grep -q 'the rules may be stale' "$folder/error" || fail "$(cat "$folder/error")"

phaseflag get --exit-code order-dashboard --attr email=ada@shop.example \
    --no-cache --bootstrap "$folder/flags.json" 2> "$folder/error" \
    || fail "without a service staff have no dashboard"

echo "deployed: $checkout, for $count of 1000 an instant search"
