# SPDX-License-Identifier: Apache-2.0
# The program prints its flags and commands with their explanations.
function __flannelctl_flags
    flannelctl --help 2>/dev/null | string match --regex '^  --.*|^        .*' | string replace --regex '^  (--[a-z0-9_-]+).*' '$1' | string trim | paste - -
end

function __flannelctl_words
    set --local said (commandline --tokenize --cut-at-cursor --current-process | tail -n +2 | string match --invert -- '-*' | string match --invert help)
    set --local commands (flannelctl help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\( [a-z]\{1,\}\)\{0,1\}\).*/\1/p')
    if test -z "$said"
        string replace --regex ' .*' '' -- $commands | sort -u
    else
        string match --regex --groups-only "^$said (.*)" -- $commands
    end
end

complete --command flannelctl --long-option etcd-api --exclusive --arguments 'auto 2 3'
complete --command flannelctl --long-option backend --exclusive --arguments 'all udp vxlan ipip host-gw wireguard ipsec'
complete --command flannelctl --no-files --condition 'count (__flannelctl_words) >/dev/null' --arguments '(__flannelctl_words)'
complete --command flannelctl --condition 'string match --quiet -- "-*" (commandline --current-token)' --arguments '(__flannelctl_flags)'
