// SPDX-License-Identifier: Apache-2.0
#include "daemon/old_flags.h"

namespace flannel {
namespace {

// The flags of glog and klog are ignored, since the place of the log does not change what the
// daemon does.
void append_log_flags(std::vector<OldFlag>& flags) {
  const auto add = [&](const char* name, bool has_value) {
    flags.push_back({.name = name,
                     .advice = "the log always goes to standard error, without files",
                     .ignored = true,
                     .has_value = has_value});
  };
  for (const char* name : {"logtostderr", "alsologtostderr", "skip_headers", "skip_log_headers",
                           "add_dir_header", "one_output"}) {
    add(name, false);
  }
  for (const char* name :
       {"log_dir", "log_file", "log_file_max_size", "log_flush_frequency", "stderrthreshold"}) {
    add(name, true);
  }
}

void append_removed(std::vector<OldFlag>& flags) {
  flags.push_back({.name = "subnet-dir",
                   .advice = "the files of several networks are in the folder networks beside "
                             "--subnet-file"});
  for (const char* name :
       {"listen", "remote", "remote-keyfile", "remote-certfile", "remote-cafile"}) {
    flags.push_back({.name = name,
                     .advice = "flannel has had no server since v0.7, each host asks the store "
                               "itself: --etcd-endpoints, --etcd-keyfile, --etcd-certfile and "
                               "--etcd-cafile"});
  }
  flags.push_back({.name = "charon-executable-path",
                   .advice = "charon is looked for in PATH and where distributions have it"});
  flags.push_back({.name = "charon-viciuri", .advice = "it is /var/run/charon.vici"});
}

void append_called_otherwise(std::vector<OldFlag>& flags) {
  flags.push_back({.name = "interface", .now = "iface"});
  flags.push_back({.name = "etcd", .now = "etcd-endpoints"});
  for (const char* name : {"network", "subnet-len", "subnet-min", "subnet-max", "backend",
                           "backend-type", "vni", "mtu", "direct-routing"}) {
    flags.push_back({.name = name,
                     .advice = "this belongs into the configuration of the network, which is in "
                               "the store: flannelctl config set"});
  }
  for (const char* name : {"options", "opts", "args", "flags", "extra-args"}) {
    flags.push_back({.name = name,
                     .advice = "flanneld.service passes the flags that the variable "
                               "FLANNEL_OPTIONS has, in /etc/default/flanneld"});
  }
}

}  // namespace

std::vector<OldFlag> old_daemon_flags() {
  std::vector<OldFlag> flags;
  append_log_flags(flags);
  append_removed(flags);
  append_called_otherwise(flags);
  return flags;
}

}  // namespace flannel
