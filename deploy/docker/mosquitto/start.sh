#!/bin/sh
# Writes the broker's password file from the environment, then becomes the broker. Accounts of single devices
# come from a file that `mosquitto_passwd` made (see accounts/README.md).
set -eu
secrets=${MOSQUITTO_SECRETS:-/mosquitto/secrets}
accounts=${MOSQUITTO_ACCOUNTS:-/mosquitto/accounts}
configuration=${MOSQUITTO_CONFIGURATION:-/mosquitto/config/mosquitto.conf}

umask 077
{
    printf 'carbonflow:%s\n' "${MQTT_OPERATOR_PASSWORD:?is not set}"
    printf 'ingest:%s\n' "${MQTT_INGEST_PASSWORD:?is not set}"
    printf 'devices:%s\n' "${MQTT_DEVICES_PASSWORD:?is not set}"
} >"$secrets/passwords"
# Hashes the file as a whole, so that no password is on a command line. What is hashed already comes after.
mosquitto_passwd -U "$secrets/passwords"
if [ -f "$accounts/passwords" ]; then
    cat "$accounts/passwords" >>"$secrets/passwords"
fi
unset MQTT_OPERATOR_PASSWORD MQTT_INGEST_PASSWORD MQTT_DEVICES_PASSWORD
exec mosquitto -c "$configuration"
