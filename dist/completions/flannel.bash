# SPDX-License-Identifier: Apache-2.0
# bash completion of flanneld and flannelctl. The programs print their flags and commands.

# Prints the flags of the program, one a line.
_flannel_flags() {
  "$1" --help 2>/dev/null | sed -n 's/^  \(--[a-z0-9_-]*\).*/\1/p'
}

_flannel_commands() {
  "$1" help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\( [a-z]\{1,\}\)\{0,1\}\).*/\1/p'
}

# Prints the possible values after --NAME=, or nothing.
_flannel_values() {
  case $1 in
    --firewall) echo auto nftables iptables ;;
    --docker-rules) echo auto off ;;
    --log-format) echo auto text json ;;
    --on-subnet-loss) echo keep renumber ;;
    --etcd-api) echo auto 2 3 ;;
    --backend) echo all udp vxlan ipip host-gw wireguard ipsec ;;
    --store) echo etcd consul sqlite:/var/lib/flannel/flannel.db ;;
    --iface) command ls /sys/class/net ;;
  esac
}

_flannel() {
  local program=$1 cur=${COMP_WORDS[COMP_CWORD]} flag=
  # `--flag=val` comes as the three words `--flag`, `=`, `val`.
  if [[ $cur == = ]]; then
    flag=${COMP_WORDS[COMP_CWORD-1]} cur=
  elif ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then
    flag=${COMP_WORDS[COMP_CWORD-2]}
  elif ((COMP_CWORD > 1)) && [[ -n $(_flannel_values "${COMP_WORDS[COMP_CWORD-1]}") ]]; then
    flag=${COMP_WORDS[COMP_CWORD-1]}
  fi
  if [[ -n $flag ]]; then
    local values
    values=$(_flannel_values "$flag")
    if [[ -n $values ]]; then
      mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
    else
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
  elif [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_flannel_flags "$program")" -- "$cur")
  elif [[ ${program##*/} == flannelctl ]]; then
    _flannel_ctl_words "$program" "$cur"
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}

# The next word of a command: "config" is followed by "get", "set" or "check".
_flannel_ctl_words() {
  local said= word commands next
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || said+="$word "
  done
  said=${said#help }
  commands=$(_flannel_commands "$1")
  next=$(sed -n "s/^$said\([^ ]*\).*/\1/p" <<<"$commands")
  if [[ -n $next ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$next" -- "$2")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$2")
  fi
}

complete -F _flannel flanneld flannelctl
