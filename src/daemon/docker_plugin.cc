// SPDX-License-Identifier: Apache-2.0
#include "daemon/docker_plugin.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/problem.h"
#include "core/state_folder.h"
#include "core/subnet_env.h"
#include "kernel/host/subnet_use.h"

namespace flannel {
namespace {

// FileDescriptorName= of flannel-docker.socket.
constexpr std::string_view kSocketName = "docker-plugin";
constexpr std::size_t kLongestCall = 1 << 20;  // bytes; an engine sends some hundreds
constexpr auto kLongestAnswer = std::chrono::seconds(5);
// Stands for the answer of a kernel that cannot be asked: what may be in use stays so.
constexpr std::string_view kUnknownDevice = "something, since the kernel could not be asked";

void log_unanswered(const Error& why) {
  log::warning("the kernel does not say who uses our subnet", {{"why", why.text}});
}

}  // namespace

PluginSocket open_plugin_socket(const Options& options, KeptFds& kept) {
  auto handed = kept.take(kSocketName);
  if (!handed.empty()) {
    // The service manager makes it blocking, unless all of the service's sockets are not.
    const int flags = ::fcntl(handed.front().get(), F_GETFL);
    if (flags >= 0 && ::fcntl(handed.front().get(), F_SETFL, flags | O_NONBLOCK) == 0) {
      return {std::move(handed.front()), nullptr};
    }
  }
  if (!options.docker.plugin) return {};
  const std::string path(kDockerPluginSocket);
  auto listener = listen_unix(path, "");
  if (listener) return {*std::move(listener), std::make_unique<UnixSocketFile>(path)};
  log::warning("no Docker plugin: networks with --ipam-driver flannel do not work",
               {{"why", listener.error().text}});
  return {};
}

Result<std::unique_ptr<DockerPlugin>> DockerPlugin::open(PluginSocket socket, Parts parts) {
  if (!socket.listener) return nullptr;
  const bool is_own = socket.file != nullptr;
  std::unique_ptr<DockerPlugin> plugin(new DockerPlugin(std::move(socket.file), std::move(parts)));
  HttpLimits limits = HttpLimits::for_this_process();
  limits.lifetime = kLongestAnswer;
  limits.body = kLongestCall;
  std::vector<HttpService> services;
  services.push_back({std::move(socket.listener), plugin->plugin_.handler(), limits});
  plugin->server_ = TRY(HttpServer::open(std::move(services)));
  log::info("Docker's IPAM driver flannel is served",
            {{"socket", is_own ? kDockerPluginSocket : "of the service manager"}});
  return plugin;
}

DockerPlugin::DockerPlugin(std::unique_ptr<UnixSocketFile> file, Parts parts)
    : options_(parts.options),
      board_(parts.board),
      file_(std::move(file)),
      plugin_(fmt::format("{}/{}", options_.state_dir, kDockerPoolsFile), *this,
              std::move(parts.on_change)) {}

std::vector<std::string> DockerPlugin::networks() {
  std::vector<std::string> names;
  for (const auto& [name, snapshot] : board_.current())
    names.push_back(name);
  return names;
}

// The file is there before the store has confirmed the lease, and Docker's own options are made
// from it, too.
Result<SubnetKey> DockerPlugin::subnets(const std::string& network) {
  const auto text = read_file(options_of(options_, network).subnet_file);
  if (text) {
    if (const auto subnets = decode_previous_subnet(*text)) return *subnets;
  }
  const auto networks = board_.current();
  const auto status = networks.find(network);
  const bool has_reason = status != networks.end() && !status->second->problems.empty();
  return fail(ErrorKind::unavailable, has_reason ? sentence(status->second->problems.front())
                                                 : "flanneld has just been started");
}

std::uint32_t DockerPlugin::mtu(const std::string& network) {
  const auto networks = board_.current();
  const auto status = networks.find(network);
  return status == networks.end() ? 0 : status->second->mtu;
}

std::string DockerPlugin::device_in(const IpPrefix& subnet) {
  auto device = flannel::device_in(subnet);
  if (device) return *std::move(device);
  log_unanswered(device.error());
  return std::string(kUnknownDevice);
}

std::string DockerPlugin::route_over(const IpPrefix& subnet) {
  auto route = flannel::route_over(subnet);
  if (route) return *std::move(route);
  log_unanswered(route.error());
  return "";
}

}  // namespace flannel
