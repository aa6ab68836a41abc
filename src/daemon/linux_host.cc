// SPDX-License-Identifier: Apache-2.0
#include "daemon/linux_host.h"

#include <fmt/format.h>

#include <utility>

#include "charon/charon.h"
#include "core/state_folder.h"
#include "daemon/left_devices.h"
#include "daemon/node_id_file.h"
#include "daemon/scrub.h"
#include "daemon/udp_dataplane.h"
#include "filter/forward_chains.h"
#include "kernel/host/host_state.h"
#include "kernel/host/host_view.h"
#include "kernel/ports/probe_sockets.h"

namespace flannel {

Result<HostView> LinuxHost::view() {
  return read_host();
}

Result<HostState> LinuxHost::traffic_state(const HostQuery& query) {
  HostState state = TRY(read_host_state(query));
  state.refusing_forward = refusing_forward_chains(query);
  return state;
}

std::vector<LeftDevice> LinuxHost::left_devices(std::span<const IpPrefix> networks) {
  return flannel::left_devices(networks,
                               parts_.kept.has(KeptFds::name_in(network_, UdpDataplane::kQueues)));
}

Result<std::vector<Fd>> LinuxHost::lock(std::string_view what) {
  return parts_.locks.acquire(what, network_);
}

Result<std::unique_ptr<PacketPath>> LinuxHost::open_packet_path(const PacketPathSettings& settings,
                                                                std::function<void()> on_state) {
  return TRY(UdpDataplane::open(settings,
                                {.loop = parts_.loop,
                                 .on_state = std::move(on_state),
                                 .take_kept =
                                     [this](std::string_view name) {
                                       return parts_.kept.take(KeptFds::name_in(network_, name));
                                     },
                                 .keep =
                                     [this](std::string_view name, std::span<const Fd> fds) {
                                       parts_.notifier.keep(KeptFds::name_in(network_, name), fds);
                                     }}));
}

Result<std::unique_ptr<ProbePort>> LinuxHost::open_probe_port(ProbePort::Events events) {
  return TRY(ProbeSockets::open(parts_.loop, std::move(events)));
}

Result<WireguardIdentity> LinuxHost::wireguard_keys() {
  protect_memory();
  return load_or_make_wireguard_key(files_.keys);
}

Result<SubscriptionPtr> LinuxHost::run_command(ShellCall call, std::function<void(ShellEnd)> done) {
  call.folder = files_.folder;
  return run_shell(parts_.loop, std::move(call), std::move(done));
}

CommandPlace LinuxHost::command_place() {
  return {.file = fmt::format("{}/{}{}{}.json", files_.folder, kCommandRecordFile,
                              network_.empty() ? "" : "-", network_),
          .where = fmt::format("boot {:08x}", boot_)};
}

// The secret of the settings is in memory.
std::unique_ptr<KeyExchange> LinuxHost::open_key_exchange(const IpsecSettings& settings,
                                                          std::function<void()> on_state) {
  protect_memory();
  return std::make_unique<Charon>(
      settings, Charon::Parts{.loop = parts_.loop, .on_state = std::move(on_state)});
}

Result<NodeId> LinuxHost::replace_node_id() {
  return flannel::replace_node_id(files_.node_id);
}

void LinuxHost::close_kept_path() {
  for (const std::string_view name : {UdpDataplane::kQueues, UdpDataplane::kSockets}) {
    const std::string kept = KeptFds::name_in(network_, name);
    if (!parts_.kept.take(kept).empty()) parts_.notifier.keep(kept, {});
  }
}

}  // namespace flannel
