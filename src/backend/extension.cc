// SPDX-License-Identifier: Apache-2.0
#include "backend/extension.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "backend/peer_rules.h"
#include "base/printable.h"
#include "core/go_json.h"

namespace flannel {
namespace {

// Bytes. A key, a MAC or an address has some dozens, and every host holds those of all.
constexpr std::size_t kMostAnnounced = 4096;
// Linux refuses a longer argument of a program (MAX_ARG_STRLEN is 128 kB).
constexpr std::size_t kLongestCommand = 64 << 10;
constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";

Result<std::string> read_command(JsonObject& json, std::string_view key) {
  std::string command = TRY(json.string(key)).value_or("");
  if (command.find('\0') != std::string::npos) {
    return json.refuse(key, "must not have the character NUL");
  }
  if (command.size() > kLongestCommand) {
    return json.refuse(key, fmt::format("must not be longer than {} bytes", kLongestCommand));
  }
  return command;
}

Result<CommandSettings> read_commands(JsonObject& json) {
  CommandSettings settings;
  BackendCommands& commands = settings.commands;
  commands.before_lease = TRY(read_command(json, "PreStartupCommand"));
  commands.after_lease = TRY(read_command(json, "PostStartupCommand"));
  commands.add = TRY(read_command(json, "SubnetAddCommand"));
  commands.remove = TRY(read_command(json, "SubnetRemoveCommand"));
  commands.shutdown = TRY(read_command(json, "ShutdownCommand"));
  const auto seconds =
      TRY(json.integer("CommandTimeout", 0, kLongestCommandTimeout.count())).value_or(0);
  if (seconds != 0) settings.deadline = std::chrono::seconds(seconds);
  settings.remove_at_exit = TRY(json.boolean("RemoveAtExit")).value_or(false);
  return settings;
}

bool has_any(const BackendCommands& commands) {
  return !commands.before_lease.empty() || !commands.after_lease.empty() || !commands.add.empty() ||
         !commands.remove.empty();
}

// The text that the peer announces; empty: none.
Result<std::string> text_of(const std::string& data) {
  if (data.empty()) return std::string();
  auto json = JsonObject::parse("{\"BackendData\":" + data + "}", "its lease");
  auto text = json ? json->string("BackendData") : tl::unexpected(json.error());
  if (!text) {
    return fail(ErrorKind::invalid,
                "its BackendData is no text, which the extension backend has: " +
                    in_quotes(shortened(data)));
  }
  return text->value_or("");
}

// A host with IPv6 alone has its data there.
const std::string& data_of(const LeaseAttributes& peer) {
  return peer.backend_data.empty() ? peer.backend_v6_data : peer.backend_data;
}

std::string variable(std::string_view name, const std::optional<IpPrefix>& value) {
  return fmt::format("{}={}", name, value ? to_string(*value) : "");
}

std::string variable(std::string_view name, const std::optional<IpAddress>& value) {
  return fmt::format("{}={}", name, value ? to_string(*value) : "");
}

std::vector<std::string> variables_of(const SubnetKey& subnets, const PublicIps& ips) {
  return {variable("SUBNET", subnets.v4), variable("PUBLIC_IP", ips.v4),
          variable("IPV6SUBNET", subnets.v6), variable("PUBLIC_IPV6", ips.v6)};
}

}  // namespace

Result<MadeBackend> ExtensionBackend::make(std::string_view options_json) {
  auto json = TRY(JsonObject::parse(options_json, "the extension backend's options"));
  TRY(json.string("Type"));
  ExtensionOptions options;
  options.commands = TRY(read_commands(json));
  options.mtu = TRY(read_base_mtu(json, 0));
  if (!has_any(options.commands.commands)) {
    return fail(ErrorKind::unsupported,
                "the extension backend needs a command: SubnetAddCommand, SubnetRemoveCommand, "
                "PreStartupCommand or PostStartupCommand");
  }
  MadeBackend made;
  if (options.commands.remove_at_exit && options.commands.commands.remove.empty() &&
      options.commands.commands.shutdown.empty()) {
    made.warnings.emplace_back(
        "RemoveAtExit has no effect without SubnetRemoveCommand or ShutdownCommand");
  }
  append_unknown_options(json, made.warnings);
  made.options = fmt::format("extension config: CommandTimeout={} RemoveAtExit={}",
                             options.commands.deadline.count(), options.commands.remove_at_exit);
  made.backend = std::make_unique<ExtensionBackend>(std::move(options));
  return made;
}

LeaseAttributes ExtensionBackend::announce(const HostFacts& host, const Lease*) const {
  auto attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend_type = kType;
  const std::string output = host.startup_output.value_or("");
  if (!output.empty()) attributes.backend_data = json_quote(output);
  attributes.backend = announced();
  attributes.mtu = announced_mtu(overlay_mtu(host));
  return attributes;
}

std::uint32_t ExtensionBackend::overlay_mtu(const HostFacts& host) const {
  return std::min(options_.mtu.value_or(host.underlay.mtu), host.underlay.mtu);
}

Result<NetState> ExtensionBackend::peer_state(const Lease& own, const Lease& peer,
                                              const HostFacts& host, const PeerPath& path) const {
  TRY(check_peer(own, peer, host, path, kType));
  TRY(text_of(data_of(peer.attributes)));
  return NetState();
}

Result<std::string> announced_text(std::string_view output) {
  const auto first = output.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return std::string();
  const std::string text(output.substr(first, output.find_last_not_of(kWhiteSpace) - first + 1));
  if (text.size() > kMostAnnounced) {
    return fail(ErrorKind::invalid, fmt::format("its output has {} bytes, and a lease can have {}",
                                                text.size(), kMostAnnounced));
  }
  const auto quoted = JsonObject::parse("{\"BackendData\":" + json_quote(text) + "}", "its output");
  auto back = quoted ? JsonObject(*quoted).string("BackendData") : tl::unexpected(quoted.error());
  if (!back || *back != text) return fail(ErrorKind::invalid, "its output is no UTF-8 text");
  return text;
}

std::vector<std::string> host_variables(const std::vector<IpPrefix>& networks, const Lease& own) {
  SubnetKey ranges;
  SubnetKey subnets;
  for (const IpPrefix& network : networks) {
    ranges.at(network.family()) = network;
    subnets.at(network.family()) = own.subnet.at(network.family());
  }
  std::vector<std::string> variables = variables_of(subnets, own.attributes.public_ips());
  variables.push_back(variable("NETWORK", ranges.v4));
  variables.push_back(variable("IPV6NETWORK", ranges.v6));
  return variables;
}

CommandPeer command_peer(const SubnetKey& subnets, const LeaseAttributes& peer) {
  // What cannot be read has no peer_state().
  return {.subnet = subnets,
          .variables = variables_of(subnets, peer.public_ips()),
          .input = text_of(data_of(peer)).value_or("")};
}

}  // namespace flannel
