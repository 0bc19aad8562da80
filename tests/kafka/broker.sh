#!/usr/bin/env bash
# Runs one Apache Kafka broker (KRaft, no other service) in the foreground, from its published jars.
#
#   tests/kafka/broker.sh DIRECTORY [PORT CONTROLLER_PORT [EXTRA_SETTING=VALUE...]]
#
# DIRECTORY keeps its data and configuration and may be used again. Without ports, or with `auto` for one, it takes free
# ones. The address is in DIRECTORY/address once the broker is about to start; it accepts connections some seconds later. With SASL=1 in the
# environment the broker wants SASL/PLAIN from its clients: user tidemill, password tidemill-secret.
#
# Needs Java 17 or newer and Maven. The jars (44 MB) are fetched once, into target/kafka.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "kafka broker: $*" >&2; exit 1; }

[ $# -ge 1 ] || fail "usage: broker.sh DIRECTORY [PORT CONTROLLER_PORT [SETTING=VALUE...]]"
command -v java >/dev/null || fail "java is missing: install a Java runtime of version 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
[ "${version:-0}" -ge 17 ] || fail "Java 17 or newer is needed, this is ${version:-of an unknown version}"

jars=${TIDEMILL_KAFKA_JARS:-$here/../../target/kafka/lib-4.3.1}
if [ ! -f "$jars/.complete" ]; then
    command -v mvn >/dev/null || fail "mvn is missing: install Maven to fetch the broker's jars (Debian: apt-get install maven)"
    mkdir -p "$jars"
    # Two at once would copy into the same place.
    exec 9>"$jars/.lock"
    flock 9
    if [ ! -f "$jars/.complete" ]; then
        echo "kafka broker: fetching its jars into $jars" >&2
        mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars" >&2 \
            || fail "mvn could not fetch the jars: is Maven Central reachable?"
        touch "$jars/.complete"
    fi
    exec 9>&-
fi

mkdir -p "$1"
directory=$(cd "$1" && pwd)
shift
free_port() { # from a range in which the system gives out no ports itself
    for _ in $(seq 200); do
        local candidate=$((10000 + RANDOM % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || { echo "$candidate"; return; }
    done
    fail "no free port found"
}
port=${1:-auto} controller=${2:-auto}
[ "$port" != auto ] || port=$(free_port)
[ "$controller" != auto ] || controller=$(free_port)
shift $(($# < 2 ? $# : 2))

scheme=PLAINTEXT
[ -z "${SASL:-}" ] || scheme=SASL_PLAINTEXT
cat >"$directory/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listeners=CLIENT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=CLIENT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,CLIENT:$scheme
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  username="tidemill" password="tidemill-secret" user_tidemill="tidemill-secret";
log.dirs=$directory/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.index.size.max.bytes=1048576
EOF
for setting in "$@"; do echo "$setting" >>"$directory/server.properties"; done

tool() { java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.tools.StorageTool "$@"; }
if [ ! -f "$directory/data/meta.properties" ]; then
    tool format --standalone -t "$(tool random-uuid | tail -1)" -c "$directory/server.properties" >&2
fi
echo "127.0.0.1:$port" >"$directory/address.new"
mv "$directory/address.new" "$directory/address"
exec java -Xmx400m -XX:+UseSerialGC -Dlog4j2.configurationFile="$here/log4j2.yaml" -cp "$jars/*" kafka.Kafka "$directory/server.properties"
