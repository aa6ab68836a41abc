// SPDX-License-Identifier: Apache-2.0
#include "daemon/daemon_flags.h"

namespace flannel {

void DaemonFlags::define(Flags& flags) {
  store.define(flags);
  define_network(flags);
  define_rules(flags);
  define_udp(flags);
  define_kube(flags);
  define_process(flags);
}

void DaemonFlags::define_network(Flags& flags) {
  flags.add({.name = "networks",
             .help = "names of several networks, as blue,green: the keys of each are below "
                     "PREFIX/NAME, its file is networks/NAME.env beside --subnet-file; * for those "
                     "of the store; empty: one network without a name"},
            networks);
  flags.add({.name = "iface",
             .help = "interface for traffic between hosts, by name or address; the first usable "
                     "one of several is taken"},
            iface);
  flags.add({.name = "iface-regex",
             .help = "the same by a regular expression over addresses, then names; tried after "
                     "every --iface"},
            iface_regex);
  flags.add(
      {.name = "iface-can-reach", .help = "the interface that reaches this address; tried last"},
      iface_can_reach);
  flags.add({.name = "public-ip", .help = "IPv4 address that other hosts send to"}, public_ip);
  flags.add({.name = "public-ipv6", .help = "IPv6 address that other hosts send to"}, public_ipv6);
  flags.add({.name = "subnet-file", .help = "file for the subnet, MTU and masquerade setting"},
            subnet_file);
  flags.add({.name = "subnet-lease-renew-margin",
             .help = "minutes before its end at which the lease is renewed, 1 to 1439"},
            renew_margin_minutes);
  flags.add({.name = "subnet-lease-ttl",
             .help = "seconds that the lease lives without renewal, 10 to 31536000"},
            lease_ttl_seconds);
  flags.add(
      {.name = "on-subnet-loss",
       .help = "when another host has taken our subnet: keep (packets go on, it is taken again "
               "when it is free) or renumber (take another one)"},
      on_subnet_loss);
  flags.add({.name = "state-dir",
             .help = "folder for what must outlive a reboot: the node id, and what is known of the "
                     "cluster"},
            state_dir);
  flags.add({.name = "no-offline-start",
             .help = "wait for the store at the start, even if what this host knew and its lease "
                     "are still good"},
            no_offline_start);
}

void DaemonFlags::define_rules(Flags& flags) {
  flags.add({.name = "ip-masq",
             .help = "let containers reach what is outside of the network by this host's address"},
            ip_masq);
  flags.add({.name = "ip-masq-fully-random-disable",
             .help = "masquerade without fully random source ports"},
            ip_masq_fully_random_disable);
  flags.add(
      {.name = "iptables-resync",
       .help = "seconds between checks of the rules where the kernel reports no changes, 1 to "
               "86400"},
      iptables_resync_seconds);
  flags.add({.name = "iptables-forward-rules",
             .help = "accept what is forwarded from and to the network"},
            iptables_forward_rules);
  flags.add(
      {.name = "firewall",
       .help = "where rules are put: nftables, iptables, or auto: nftables wherever the kernel has "
               "it"},
      firewall);
  flags.add({.name = "ip-blackhole-route",
             .help = "drop what goes to this host's subnet and no other route takes, instead of "
                     "sending it on by the default route"},
            ip_blackhole_route);
  flags.add(
      {.name = "docker-rules",
       .help = "auto: where Docker's rules are, let the overlay reach this host's containers; "
               "or off"},
      docker_rules);
  flags.add({.name = "docker-network",
             .help = "name of a bridge network with this host's subnet that is made in Docker, by "
                     "/run/docker.sock or DOCKER_HOST=unix://PATH; empty: none"},
            docker_network);
  flags.add({.name = "docker-plugin",
             .help = "serve Docker's networks with --ipam-driver flannel, at "
                     "/run/docker/plugins/flannel.sock"},
            docker_plugin);
}

void DaemonFlags::define_udp(Flags& flags) {
  flags.add(
      {.name = "probe-peers", .help = "probe peers over the overlay, and answer their probes"},
      probe_peers);
  flags.add({.name = "publish-health",
             .help = "write once a minute into the store which peers this host reaches, for the "
                     "status pages of the others"},
            publish_health);
  flags.add({.name = "udp-accept-any",
             .help = "backend udp: take packets of a peer from any address; unsafe, for NAT with "
                     "two ways only"},
            udp_accept_any);
  flags.add({.name = "udp-queues",
             .help = "backend udp: queues of the device, two threads each, up to 64; 0: what the "
                     "configuration says, else one for every four CPUs, up to 4"},
            udp_queues);
  flags.add({.name = "udp-cpus",
             .help = "backend udp: CPUs that the packet threads are bound to, in turns, as 0,1,2"},
            udp_cpus);
  flags.add({.name = "udp-receive-buffer", .help = "backend udp: bytes, of each socket"},
            udp_receive_buffer);
  flags.add({.name = "udp-send-buffer", .help = "backend udp: bytes, of each socket"},
            udp_send_buffer);
}

void DaemonFlags::define_kube(Flags& flags) {
  flags.add({.name = "kube-subnet-mgr", .help = "not supported yet"}, kube_subnet_mgr);
  flags.add({.name = "kube-api-url", .help = "not supported yet"}, kube_api_url);
  flags.add({.name = "kubeconfig-file", .help = "not supported yet"}, kubeconfig_file);
  flags.add({.name = "kube-annotation-prefix", .help = "only with --kube-subnet-mgr"},
            kube_annotation_prefix);
  flags.add({.name = "net-config-path", .help = "only with --kube-subnet-mgr"}, net_config_path);
  flags.add({.name = "set-node-network-unavailable", .help = "only with --kube-subnet-mgr"},
            set_node_network_unavailable);
}

void DaemonFlags::define_process(Flags& flags) {
  flags.add({.name = "environment-file",
             .help = "file of variables, read at the start and again at SIGHUP, in the syntax of "
                     "systemd's EnvironmentFile=; -PATH: it may be missing"},
            environment_file);
  flags.add({.name = "healthz-ip", .help = "address of the health server"}, healthz_ip);
  flags.add({.name = "healthz-port", .help = "port of the health server; 0: none"}, healthz_port);
  flags.add({.name = "control-socket", .help = "socket on which flannelctl asks; empty: none"},
            control_socket);
  flags.add({.name = "consul-register",
             .help = "register /readyz as a health check of the service flanneld with the Consul "
                     "agent of this host"},
            consul_register);
  flags.add({.name = "status-addr",
             .help = "[HOST:]PORT of the status page, a view of the network for a browser; without "
                     "HOST on 127.0.0.1; empty: none"},
            status_addr);
  flags.add({.name = "status-token-file",
             .help = "file with the token that the data of the status page need; empty: none"},
            status_token_file);
  flags.add({.name = "keep-privileges",
             .help = "keep every capability and system call that the process was started with"},
            keep_privileges);
  flags.add({.name = "log-format",
             .help = "text, json (an object on each line), or auto: fields of the journal under "
                     "systemd, otherwise text"},
            log_format);
  flags.add({.name = "v", .help = "verbosity of the log; 2: each peer, 4: each kernel object"},
            verbosity);
  flags.add({.name = "vmodule", .help = "not supported yet"}, vmodule);
  flags.add({.name = "log_backtrace_at", .help = "not supported yet"}, log_backtrace_at);
  // Not read from the environment: upstream does not, and service managers set such names.
  flags.add({.name = "version", .help = "print the version and exit", .in_environment = false},
            version);
}

}  // namespace flannel
