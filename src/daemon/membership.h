// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "daemon/agent.h"
#include "daemon/health_rows.h"
#include "daemon/kept_fds.h"
#include "daemon/linux_host.h"
#include "daemon/network_loop.h"
#include "daemon/options.h"
#include "daemon/sd_notify.h"
#include "docker/docker_follower.h"
#include "docker/docker_socket.h"
#include "filter/firewall.h"
#include "kernel/host/host_locks.h"
#include "kernel/monitor/monitor.h"
#include "kernel/objects/linux_kernel.h"
#include "loop/loop.h"

namespace flannel {

// The names that this host and this process have, and what the process may do.
struct ProcessIdentity {
  NodeTag node;
  std::string node_id_file;  // where `node.id` is from
  std::string powerless;     // why this process may not change the network; empty: it may
};

// The part of this host in one network: the connection to the store, the agent, the packet rules,
// the monitor of the kernel and the network in Docker, and what they do to each other. Loop thread
// only.
class Membership {
 public:
  struct Edges {  // all must outlive the membership
    ServiceNotifier& notifier;
    KeptFds& kept;
    Loop& loop;
    LinuxKernel& kernel;
    HostLocks& locks;
    IptablesQueue& iptables;
  };
  struct Events {
    // Returns what is wrong with the process.
    std::function<std::vector<Problem>()> other_problems;
    std::function<void()> on_ready;
    std::function<void()> on_state;  // the result of any accessor below may have changed
    // The membership cannot go on. It may be destroyed in a later turn only.
    std::function<void(Error)> on_fatal;
  };

  // `options` are those of options_of(), and `network` is the name there.
  static Result<std::unique_ptr<Membership>> open(const Options& options,
                                                  const std::string& network, Edges edges,
                                                  const ProcessIdentity& process, Events events);
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // `note`: this host is drained.
  void start(const std::optional<DrainNote>& note);
  // Applies what plan_reload() calls live.
  void take(const Options& options);

  // Lets no packet pass between the network and these ranges, from now on.
  void separate(const std::vector<IpPrefix>& strangers);
  // Has the kernel fill in the checksums of packets by vxlan devices, or no longer.
  void set_software_checksums(bool on);
  void follow_drain(const std::optional<DrainNote>& note);
  void refresh();
  // As in Agent.
  void end(std::function<void()> done);

  // The configuration is gone from the store, or is there: without one, a network in Docker that is
  // removed is not made again.
  void set_gone(bool gone);
  // As in Agent.
  void withdraw(bool leaves);
  bool is_withdrawn() const;
  // As in Network. Only after a withdrawal.
  void leave();
  bool has_left() const;
  std::optional<std::string> used_by() const;

  const Agent& agent() const { return agent_; }
  Agent& agent() { return agent_; }
  // Null without --publish-health.
  HealthRows* health_rows() { return health_rows_.get(); }

 private:
  struct Opened {
    std::unique_ptr<NetworkLoop> loop;
    std::unique_ptr<Registry> registry;
  };

  Membership(const Options& options, std::string network, Edges edges,
             const ProcessIdentity& process, Events events, Opened opened);

  Agent::Parts agent_parts(bool has_rules);
  Firewall::Parts firewall_parts(IptablesQueue& iptables);
  Monitor::Events monitor_events();
  void watch_kernel(const Scope& scope, const Underlay& underlay);
  void follow_docker(const DockerOptions& wish);
  void publish_health();
  Result<std::unique_ptr<Registry>> open_health_store() const;
  std::vector<Problem> other_problems() const;
  void on_state();

  std::string network_;
  std::unique_ptr<NetworkLoop> loop_;
  Events events_;
  bool is_gone_ = false;  // the configuration
  StoreOptions store_;
  std::unique_ptr<Registry> registry_;
  LinuxHost host_;
  LinuxKernel& kernel_;
  // Both null without --docker-network.
  std::unique_ptr<DockerSocket> docker_socket_;
  std::unique_ptr<DockerFollower> docker_;
  Agent agent_;
  Firewall firewall_;
  std::unique_ptr<HealthRows> health_rows_;
  std::unique_ptr<Monitor> monitor_;
};

}  // namespace flannel
