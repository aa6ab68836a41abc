// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "daemon/agent.h"
#include "daemon/drained_file.h"
#include "daemon/health_rows.h"
#include "daemon/kept_fds.h"
#include "daemon/linux_host.h"
#include "daemon/option_reload.h"
#include "daemon/option_source.h"
#include "daemon/publisher.h"
#include "daemon/sd_notify.h"
#include "daemon/way_to_store.h"
#include "docker/docker_follower.h"
#include "docker/docker_socket.h"
#include "filter/firewall.h"
#include "kernel/host/host_locks.h"
#include "kernel/monitor/monitor.h"
#include "kernel/objects/linux_kernel.h"
#include "loop/epoll_loop.h"
#include "status/board.h"

namespace flannel {

// One process: the agent, its packet filter and its monitor of the kernel, and what they do to each
// other and to the edges of the process. Loop thread only.
class Node {
 public:
  struct Edges {  // all must outlive the node
    const Options& options;
    OptionSource& source;  // read again at SIGHUP; `options` came from it
    ServiceNotifier& notifier;
    KeptFds& kept;
    EpollLoop& loop;
    LinuxKernel& kernel;
    Registry& registry;
    const HostLocks& locks;
    WayToStore& way_to_store;
    StatusBoard& board;
  };

  // `node_id_file`: where `node.id` is from. `powerless`: why this process may not change the
  // network; empty: it may.
  Node(Edges edges, const NodeTag& node, const std::string& node_id_file,
       const std::string& powerless);

  // Returns after Loop::stop(), or with the error that ended it.
  Result<void> run();

  const Agent& agent() const { return agent_; }
  // The options in force. Secrets are among them.
  const Settings& settings() const { return reload_.running(); }
  Agent& agent() { return agent_; }
  // Null without --publish-health.
  HealthRows* health_rows() { return health_rows_.get(); }

  // Has the kernel fill in the checksums of packets by vxlan devices, or no longer, and remembers
  // it for the next start. A failure changes nothing.
  Result<void> set_software_checksums(bool on);

  // Reads the options again, and then the store, the kernel and the interfaces.
  void refresh();

 private:
  static AgentOptions agent_options(const Options& options, const NodeTag& node,
                                    const std::string& powerless);
  void take(const Options& options);
  Agent::Parts agent_parts(bool has_rules);
  Firewall::Parts firewall_parts();
  Monitor::Events monitor_events();
  void watch_kernel(const Scope& scope, const Underlay& underlay);
  void follow_docker();
  void publish_health();
  Result<std::unique_ptr<Registry>> open_health_store() const;
  std::vector<Problem> own_problems() const;
  void follow_drain(const std::optional<DrainNote>& note);
  void on_ready();
  void on_state();

  Edges edges_;
  LinuxHost host_;
  Publisher publisher_;
  OptionReload reload_;
  std::optional<Error> fatal_;
  // Both null without --docker-network.
  std::unique_ptr<DockerSocket> docker_socket_;
  std::unique_ptr<DockerFollower> docker_;
  Agent agent_;
  Firewall firewall_;
  std::unique_ptr<HealthRows> health_rows_;
  std::unique_ptr<Monitor> monitor_;
  DrainedFile drained_;
};

}  // namespace flannel
