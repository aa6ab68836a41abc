// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "daemon/kept_fds.h"
#include "daemon/options.h"
#include "docker/docker_pools.h"
#include "docker/ipam_plugin.h"
#include "http/listen.h"
#include "http/server.h"
#include "status/board.h"

namespace flannel {

// The socket on which Docker finds the plugin "flannel": the engine looks into this folder.
inline constexpr std::string_view kDockerPluginSocket = "/run/docker/plugins/flannel.sock";

struct PluginSocket {
  Fd listener;                           // empty: there is no plugin
  std::unique_ptr<UnixSocketFile> file;  // null: the service manager keeps it
};

// Returns the socket that the service manager has handed over, or with --docker-plugin one of our
// own. Without the socket packets pass all the same, so a failure is logged.
PluginSocket open_plugin_socket(const Options& options, KeptFds& kept);

// Serves Docker's calls on a thread of its own, which never waits for the loop or the store: what
// it needs is in the subnet files, on the board and in the kernel.
class DockerPlugin final : private PoolHost {
 public:
  struct Parts {
    const Options& options;  // both must outlive the plugin
    const StatusBoard& board;
    std::function<void()> on_change;  // pools() is another; called on the thread of the plugin
  };

  // Null: there is no socket.
  static Result<std::unique_ptr<DockerPlugin>> open(PluginSocket socket, Parts parts);
  DockerPlugin(const DockerPlugin&) = delete;
  DockerPlugin& operator=(const DockerPlugin&) = delete;

  // Thread-safe.
  std::vector<PoolUse> pools() const { return plugin_.pools(); }

 private:
  DockerPlugin(std::unique_ptr<UnixSocketFile> file, Parts parts);

  std::vector<std::string> networks() override;
  Result<SubnetKey> subnets(const std::string& network) override;
  std::uint32_t mtu(const std::string& network) override;
  std::string device_in(const IpPrefix& subnet) override;
  std::string route_over(const IpPrefix& subnet) override;

  const Options& options_;
  const StatusBoard& board_;
  std::unique_ptr<UnixSocketFile> file_;
  IpamPlugin plugin_;
  std::unique_ptr<HttpServer> server_;  // ends before what it serves
};

}  // namespace flannel
