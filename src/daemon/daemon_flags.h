// SPDX-License-Identifier: Apache-2.0
// The texts and numbers of flanneld's flags before validation. options.h has the validated values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/flags.h"
#include "core/control_socket.h"
#include "core/state_folder.h"
#include "registry/store_flags.h"

namespace flannel {

// After define() the object must not move, and must outlive `flags`.
struct DaemonFlags {
  StoreFlags store;
  std::string networks;
  std::string environment_file;

  std::vector<std::string> iface, iface_regex;
  std::string iface_can_reach, public_ip, public_ipv6;

  std::string subnet_file = "/run/flannel/subnet.env";
  std::string state_dir{kDefaultStateFolder};
  std::int64_t renew_margin_minutes = 60;
  std::int64_t lease_ttl_seconds = 86400;
  std::string on_subnet_loss = "keep";

  std::string firewall = "auto";
  std::string docker_rules = "auto";
  std::string docker_network;
  bool docker_plugin = false;
  bool ip_masq = false;
  bool ip_masq_fully_random_disable = false;
  bool ip_blackhole_route = false;
  bool iptables_forward_rules = true;
  std::int64_t iptables_resync_seconds = 5;

  bool no_offline_start = false;
  bool probe_peers = true;
  bool publish_health = false;

  bool udp_accept_any = false;
  std::int64_t udp_queues = 0;
  std::string udp_cpus;
  std::int64_t udp_receive_buffer = 4 << 20;
  std::int64_t udp_send_buffer = 4 << 20;

  bool kube_subnet_mgr = false;
  std::string kube_api_url, kubeconfig_file;
  std::string kube_annotation_prefix = "flannel.alpha.coreos.com";
  std::string net_config_path = "/etc/kube-flannel/net-conf.json";
  bool set_node_network_unavailable = true;

  std::string healthz_ip = "0.0.0.0";
  std::int64_t healthz_port = 0;
  std::string control_socket{kDefaultControlSocket};
  bool consul_register = false;
  std::string status_addr, status_token_file;

  bool keep_privileges = false;

  std::string log_format = "auto";
  std::int64_t verbosity = 0;
  std::string vmodule;
  std::string log_backtrace_at = ":0";
  bool version = false;

  void define(Flags& flags);

 private:
  void define_network(Flags& flags);
  void define_rules(Flags& flags);
  void define_udp(Flags& flags);
  void define_kube(Flags& flags);
  void define_process(Flags& flags);
};

}  // namespace flannel
