# SPDX-License-Identifier: Apache-2.0
# The program prints its flags with their explanations.
function __flannel_flags --argument-names program
    $program --help 2>/dev/null | string match --regex '^  --.*|^        .*' | string replace --regex '^  (--[a-z0-9_-]+).*' '$1' | string trim | paste - -
end

complete --command flanneld --long-option firewall --exclusive --arguments 'auto nftables iptables'
complete --command flanneld --long-option docker-rules --exclusive --arguments 'auto off'
complete --command flanneld --long-option on-subnet-loss --exclusive --arguments 'keep renumber'
complete --command flanneld --long-option log-format --exclusive --arguments 'auto text json'
complete --command flanneld --long-option etcd-api --exclusive --arguments 'auto 2 3'
complete --command flanneld --long-option iface --exclusive --arguments '(command ls /sys/class/net)'
complete --command flanneld --arguments '(__flannel_flags flanneld)'
