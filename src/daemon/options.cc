// SPDX-License-Identifier: Apache-2.0
#include "daemon/options.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/parse.h"
#include "base/printable.h"
#include "base/version.h"
#include "core/network_name.h"
#include "daemon/daemon_flags.h"
#include "daemon/old_flags.h"
#include "daemon/variables.h"
#include "docker/docker_host.h"
#include "docker/docker_network.h"
#include "net/address.h"
#include "registry/store_flags.h"

namespace flannel {
namespace {

Failure bad(const Flags& flags, std::string_view name, std::string text) {
  return fail(ErrorKind::invalid, flags.label(name) + ": " + std::move(text));
}

Result<void> check_range(const Flags& flags, std::string_view name, std::int64_t value,
                         std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return {};
  return bad(flags, name,
             std::to_string(value) + " is not between " + std::to_string(least) + " and " +
                 std::to_string(most));
}

// --networks=*
constexpr std::string_view kAllNetworks = "*";

// Refuses flags that this release does not support, since the operator relies on each given flag.
Result<void> refuse_what_is_not_there(const DaemonFlags& texts, const Flags& flags) {
  struct Refusal {
    std::string_view name;
    bool refused;
    std::string_view why;
  };
  constexpr std::string_view kube =
      "this release has no Kubernetes mode yet, leases are in --store";
  constexpr std::string_view log =
      "this release sets the verbosity for the whole program, with --v";
  const Refusal refusals[] = {
      {"kube-subnet-mgr", texts.kube_subnet_mgr, kube},
      {"kube-api-url", !texts.kube_api_url.empty(), kube},
      {"kubeconfig-file", !texts.kubeconfig_file.empty(), kube},
      {"kube-annotation-prefix", flags.given("kube-annotation-prefix"), kube},
      {"net-config-path", flags.given("net-config-path"), kube},
      {"set-node-network-unavailable", flags.given("set-node-network-unavailable"), kube},
      {"vmodule", !texts.vmodule.empty(), log},
      {"log_backtrace_at", !texts.log_backtrace_at.empty() && texts.log_backtrace_at != ":0",
       "this release prints no backtraces"},
  };
  for (const Refusal& refusal : refusals) {
    if (refusal.refused) return bad(flags, refusal.name, std::string(refusal.why));
  }
  return {};
}

// Removes empty values. Scripts write --iface=$IFACE with an empty variable, which upstream
// ignores.
std::vector<std::string> without_empty(std::vector<std::string> list) {
  std::erase(list, std::string());
  return list;
}

// Because of NAT the public IP may be any address that a host can have, but no other.
Result<void> check_public_ip(const Flags& flags, std::string_view name, const std::string& text,
                             Family family) {
  if (text.empty()) return {};
  const auto ip = IpAddress::parse(text, family);
  if (!ip) {
    return bad(flags, name,
               fmt::format("{} is not an {} address", in_quotes(text), to_string(family)));
  }
  if (ip->can_be_public()) return {};
  return bad(flags, name, text + " is no address that other hosts could send to");
}

Result<UnderlayRequest> underlay_request(const DaemonFlags& texts, const Flags& flags) {
  TRY(check_public_ip(flags, "public-ip", texts.public_ip, Family::v4));
  TRY(check_public_ip(flags, "public-ipv6", texts.public_ipv6, Family::v6));
  for (const std::string& regex : texts.iface_regex) {
    TRY_DURING(check_interface_regex(regex), flags.label("iface-regex"));
  }
  if (!texts.iface_can_reach.empty() && !IpAddress::parse(texts.iface_can_reach)) {
    return bad(flags, "iface-can-reach",
               in_quotes(texts.iface_can_reach) + " is not an IP address");
  }
  return UnderlayRequest{.interfaces = without_empty(texts.iface),
                         .regexes = without_empty(texts.iface_regex),
                         .can_reach = texts.iface_can_reach,
                         .public_ip = texts.public_ip,
                         .public_ipv6 = texts.public_ipv6};
}

Result<KeeperOptions> keeper_options(const DaemonFlags& texts, const Flags& flags) {
  TRY(check_range(flags, "subnet-lease-ttl", texts.lease_ttl_seconds, 10, 31'536'000));
  TRY(check_range(flags, "subnet-lease-renew-margin", texts.renew_margin_minutes, 1, 1439));
  KeeperOptions options{.ttl = std::chrono::seconds(texts.lease_ttl_seconds),
                        .renew_margin = std::chrono::minutes(texts.renew_margin_minutes)};
  if (texts.on_subnet_loss != "keep" && texts.on_subnet_loss != "renumber") {
    return bad(flags, "on-subnet-loss",
               in_quotes(texts.on_subnet_loss) + " is none of keep, renumber");
  }
  options.renumber = texts.on_subnet_loss == "renumber";
  if (options.renew_margin < options.ttl) return options;
  if (flags.given("subnet-lease-renew-margin")) {
    return bad(flags, "subnet-lease-renew-margin",
               std::to_string(texts.renew_margin_minutes) + " minutes is not less than the " +
                   std::to_string(texts.lease_ttl_seconds) + " seconds of the lease");
  }
  options.renew_margin = options.ttl / 2;
  return options;
}

Result<FirewallOptions> firewall_options(const DaemonFlags& texts, const Flags& flags) {
  TRY(check_range(flags, "iptables-resync", texts.iptables_resync_seconds, 1, 86'400));
  FirewallOptions options{.mode = FirewallMode::automatic,
                          .rules = {.masquerade = texts.ip_masq,
                                    .forward = texts.iptables_forward_rules,
                                    .fully_random = !texts.ip_masq_fully_random_disable},
                          .resync = std::chrono::seconds(texts.iptables_resync_seconds)};
  if (texts.firewall == "nftables") {
    options.mode = FirewallMode::nftables;
  } else if (texts.firewall == "iptables") {
    options.mode = FirewallMode::iptables;
  } else if (texts.firewall != "auto") {
    return bad(flags, "firewall",
               in_quotes(texts.firewall) + " is none of auto, nftables, iptables");
  }
  options.docker = texts.docker_rules == "auto";
  if (!options.docker && texts.docker_rules != "off") {
    return bad(flags, "docker-rules", in_quotes(texts.docker_rules) + " is neither auto nor off");
  }
  return options;
}

Result<PacketPathWishes> packet_path_wishes(const DaemonFlags& texts, const Flags& flags) {
  constexpr std::int64_t kLeastBuffer = 4096;
  constexpr std::int64_t kMostBuffer = 1 << 30;  // the kernel doubles it, in an int
  constexpr int kMostCpus = 1024;
  TRY(check_range(flags, "udp-queues", texts.udp_queues, 0, 64));
  TRY(check_range(flags, "udp-receive-buffer", texts.udp_receive_buffer, kLeastBuffer,
                  kMostBuffer));
  TRY(check_range(flags, "udp-send-buffer", texts.udp_send_buffer, kLeastBuffer, kMostBuffer));
  PacketPathWishes wishes{.accept_any = texts.udp_accept_any,
                          .queues = static_cast<int>(texts.udp_queues),
                          .receive_buffer = static_cast<int>(texts.udp_receive_buffer),
                          .send_buffer = static_cast<int>(texts.udp_send_buffer)};
  if (texts.udp_cpus.empty()) return wishes;
  for (const std::string_view word : split(texts.udp_cpus, ',')) {
    const auto cpu = parse_decimal<unsigned>(word);
    if (!cpu || *cpu >= kMostCpus) {
      return bad(flags, "udp-cpus", in_quotes(word) + " is no number of a CPU");
    }
    wishes.cpus.push_back(static_cast<int>(*cpu));
  }
  return wishes;
}

Result<DockerOptions> docker_options(const DaemonFlags& texts, const Flags& flags,
                                     const Flags::Environment& environment) {
  if (texts.docker_network.empty()) return DockerOptions{.plugin = texts.docker_plugin};
  TRY_DURING(check_docker_network_name(texts.docker_network), flags.label("docker-network"));
  const char* const host = environment ? environment("DOCKER_HOST") : nullptr;
  return DockerOptions{.network = texts.docker_network,
                       .socket = TRY_DURING(parse_docker_host(host ? host : ""), "DOCKER_HOST"),
                       .plugin = texts.docker_plugin};
}

Result<std::optional<ListenAddress>> health_address(const DaemonFlags& texts, const Flags& flags) {
  const std::string& ip = texts.healthz_ip;
  if (!ip.empty() && !IpAddress::parse(ip)) {
    return bad(flags, "healthz-ip", in_quotes(ip) + " is not an IP address");
  }
  if (texts.healthz_port > 65535) {
    return bad(flags, "healthz-port", std::to_string(texts.healthz_port) + " is not a TCP port");
  }
  if (texts.healthz_port <= 0) return std::nullopt;
  return ListenAddress{ip.empty() ? "0.0.0.0" : ip, static_cast<std::uint16_t>(texts.healthz_port)};
}

// The address of "8088", "192.0.2.1:8088", "[::1]:8088" or "localhost:8088".
Result<std::optional<ListenAddress>> status_address(const DaemonFlags& texts, const Flags& flags,
                                                    std::vector<std::string>& warnings) {
  const std::string_view text = texts.status_addr;
  if (text.empty()) {
    if (!texts.status_token_file.empty())
      warnings.emplace_back("--status-token-file has no effect without --status-addr");
    return std::nullopt;
  }
  const auto colon = text.rfind(':');
  std::string host = colon == text.npos ? "127.0.0.1" : std::string(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  const auto ip = IpAddress::parse(host);
  const auto port = parse_decimal<std::uint16_t>(text.substr(colon == text.npos ? 0 : colon + 1));
  if (!ip || !port || *port == 0) {
    return bad(flags, "status-addr",
               in_quotes(text) + " is neither PORT nor ADDRESS:PORT, such as 127.0.0.1:8088");
  }
  if (!ip->is_loopback() && texts.status_token_file.empty()) {
    warnings.push_back("every machine that reaches " + std::string(text) +
                       " can read the status page, with all hosts and problems of the network; "
                       "--status-token-file restricts it");
  }
  return ListenAddress{host, *port};
}

// Whether the daemon is to be a service of Consul, whose agent reads the health pages.
Result<bool> is_consul_service(const DaemonFlags& texts, const Options& options, const Flags& flags,
                               std::vector<std::string>& warnings) {
  if (!texts.consul_register) return false;
  if (options.store.kind != StoreKind::consul) {
    warnings.push_back("--consul-register has no effect with --store=" + texts.store.store);
    return false;
  }
  if (!options.healthz) {
    return bad(flags, "consul-register", "needs --healthz-port, whose page /readyz Consul reads");
  }
  return true;
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// The names in the order in which they are given; none for "*".
Result<std::vector<std::string>> network_list(const DaemonFlags& texts, const Flags& flags) {
  std::vector<std::string> names;
  if (texts.networks.empty() || texts.networks == kAllNetworks) return names;
  for (const std::string_view word : split(texts.networks, ',')) {
    const std::string_view name = trim(word);
    if (name == kAllNetworks) {
      return bad(flags, "networks", "\"*\" is for all networks of the store, and no others");
    }
    TRY_DURING(check_network_name(name), flags.label("networks"));
    if (std::ranges::find(names, name) != names.end()) {
      return bad(flags, "networks", in_quotes(name) + " is given twice");
    }
    names.emplace_back(name);
  }
  return names;
}

Result<void> check_paths(const DaemonFlags& texts, const Flags& flags) {
  const std::string& file = texts.subnet_file;
  if (file.empty()) return bad(flags, "subnet-file", "names no file");
  if (file.ends_with('/')) return bad(flags, "subnet-file", in_quotes(file) + " names a folder");
  if (texts.state_dir.empty()) return bad(flags, "state-dir", "names no folder");
  if (texts.state_dir == file) {
    return bad(flags, "state-dir", in_quotes(file) + " is the subnet file, a folder is needed");
  }
  return {};
}

// A container runtime creates a folder if the file that it is to mount does not exist.
void warn_of_folder(const std::string& file, std::vector<std::string>& warnings) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return;
  warnings.push_back("--subnet-file " + in_quotes(file) +
                     " is a folder, perhaps made for a mount into a container before there was a "
                     "file; remove it");
}

Result<log::Format> log_format(const DaemonFlags& texts, const Flags& flags) {
  if (texts.log_format == "auto") return log::Format::automatic;
  if (texts.log_format == "text") return log::Format::text;
  if (texts.log_format == "json") return log::Format::json;
  return bad(flags, "log-format", in_quotes(texts.log_format) + " is none of auto, text, json");
}

Result<Options> validate(const DaemonFlags& texts, const Flags& flags,
                         const Flags::Environment& environment) {
  TRY(refuse_what_is_not_there(texts, flags));
  ParsedStore store = TRY(parse_store(texts.store, flags, environment));
  Options options;
  options.store = std::move(store.options);
  options.warnings = std::move(store.warnings);
  options.networks = TRY(network_list(texts, flags));
  options.follows_store = texts.networks == kAllNetworks;
  options.underlay = TRY(underlay_request(texts, flags));
  options.keeper = TRY(keeper_options(texts, flags));
  options.healthz = TRY(health_address(texts, flags));
  options.control_socket = texts.control_socket;
  options.page = TRY(status_address(texts, flags, options.warnings));
  options.page_token_file = texts.status_token_file;
  options.consul_register = TRY(is_consul_service(texts, options, flags, options.warnings));
  options.firewall = TRY(firewall_options(texts, flags));
  options.packet_path = TRY(packet_path_wishes(texts, flags));
  options.docker = TRY(docker_options(texts, flags, environment));
  TRY(check_paths(texts, flags));
  warn_of_folder(texts.subnet_file, options.warnings);
  options.subnet_file = texts.subnet_file;
  options.state_dir = texts.state_dir;
  const char* const key_file = environment ? environment("WIREGUARD_KEY_FILE") : nullptr;
  options.wireguard_key_file = key_file ? key_file : "";
  options.ip_blackhole_route = texts.ip_blackhole_route;
  options.offline_start = !texts.no_offline_start;
  options.probe_peers = texts.probe_peers;
  options.publish_health = texts.publish_health && texts.probe_peers;
  if (texts.publish_health && !texts.probe_peers)
    options.warnings.emplace_back("--publish-health has no effect with --probe-peers=false");
  options.keep_privileges = texts.keep_privileges;
  options.log_format = TRY(log_format(texts, flags));
  options.verbosity = static_cast<int>(std::clamp<std::int64_t>(texts.verbosity, 0, 100));
  options.given = flags.given_text();
  return options;
}

// The flag must be known before the variables are read: it says where they are.
Result<Variables> read_variables(const DaemonFlags& texts, const Flags& flags,
                                 const Flags::Environment& environment,
                                 std::span<const std::string> set_variables) {
  const bool by_flag = flags.given("environment-file");
  const char* const by_variable = environment ? environment(kFileVariable) : nullptr;
  const std::string_view given =
      by_flag || by_variable == nullptr ? texts.environment_file : std::string_view(by_variable);
  return Variables(TRY_DURING(Variables::read_file(std::string(trim(given))),
                              by_flag ? "--environment-file" : kFileVariable),
                   environment, set_variables);
}

// Besides our flags, the file may have the flags that the unit passes, and the variables of Consul,
// Docker and upstream flannel.
void note_settings(const Flags& flags, const EnvironmentFile& file, Options& options) {
  for (auto& [name, values] : flags.values())
    options.settings.emplace("--" + name, values);
  for (const auto& [name, value, line] : file.variables) {
    options.file_variables.push_back(name);
    const bool counts = name == "FLANNEL_OPTIONS" || name == "DOCKER_HOST" ||
                        name == "WIREGUARD_KEY_FILE" || name.starts_with("CONSUL_");
    if (counts && !value.empty()) options.settings.emplace(name, std::vector{value});
  }
  options.environment_file = file.path;
  options.skipped_lines = file.skipped;
}

std::string usage(const Flags& flags) {
  return "Usage: flanneld [OPTION]...\n"
         "The agent of one host: takes a subnet for its containers and makes those of all other\n"
         "hosts reachable.\n\n" +
         flags.usage() +
         "\nA flag that is not given is looked for in the environment file and then in the "
         "environment:\n"
         "FLANNELD_ETCD_ENDPOINTS for --etcd-endpoints, and so on.\n";
}

}  // namespace

bool Options::has_secrets() const {
  return !store.password.text.empty() || !store.key_file.empty() ||
         !store.consul.token.text.empty() || !store.consul.key_file.empty();
}

Result<CommandLine> parse_command_line(std::span<const std::string> arguments,
                                       const Flags::Environment& environment,
                                       std::span<const std::string> set_variables) {
  DaemonFlags texts;
  Flags flags;
  texts.define(flags);
  flags.add_old(old_daemon_flags());
  const ParsedWords parsed = TRY(flags.parse(arguments));
  if (parsed.help) return PrintAndExit{usage(flags)};
  if (!parsed.words.empty()) {
    return fail(ErrorKind::invalid, "unexpected word " + in_quotes(parsed.words[0]) +
                                        " (a flag that is true or false takes its value as "
                                        "--flag=false)");
  }
  if (texts.version) return PrintAndExit{std::string(version()) + "\n"};
  const Variables variables = TRY(read_variables(texts, flags, environment, set_variables));
  const auto find = [&variables](const std::string& name) { return variables.find(name); };
  TRY(flags.read_environment(
      "FLANNELD_", find, [&variables](const std::string& name) { return variables.origin(name); }));
  Options options = TRY(validate(texts, flags, find));
  append(options.warnings, parsed.warnings);
  append(options.warnings, variables.file().skipped);
  append(options.warnings, variables.warnings());
  append(options.warnings, flags.unread_variables("FLANNELD_", variables.set()));
  append(options.warnings, flags.misnamed_variables("FLANNEL_", "FLANNELD_", variables.set()));
  note_settings(flags, variables.file(), options);
  return options;
}

}  // namespace flannel
