// SPDX-License-Identifier: Apache-2.0
#include "ctl/command_line.h"

#include <algorithm>
#include <array>
#include <ostream>

#include "base/parse.h"
#include "base/printable.h"
#include "core/network_name.h"
#include "ctl/config_text.h"
#include "docker/docker_host.h"
#include "net/address.h"
#include "registry/store_flags.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kLeastMtu = 576;
constexpr std::uint32_t kMostMtu = 65535;
constexpr std::int64_t kMostCount = 1'000'000;
constexpr auto kOwnFlags = std::to_array<std::string_view>(
    {"json",      "bad",       "node",    "underlay-mtu",   "backend", "dry-run", "force",
     "wait",      "state-dir", "no-wait", "control-socket", "watch",   "list",    "output",
     "anonymous", "sort",      "state",   "count",          "size",    "fix"});
constexpr auto kBackends = std::to_array<std::string_view>(
    {"all", "udp", "vxlan", "ipip", "host-gw", "wireguard", "ipsec"});

// After define() the object must not move, and must outlive `flags`.
struct CtlFlags {
  StoreFlags store;
  std::string network;
  std::string timeout = "10s";
  bool json = false;
  bool bad = false;
  std::string node;
  std::int64_t underlay_mtu = 1500;
  std::string backend = "all";
  bool dry_run = false;
  bool force = false;
  std::string wait;
  std::string state_dir{kDefaultStateFolder};
  bool no_wait = false;
  std::string control_socket{kDefaultControlSocket};
  std::string watch;
  bool list = false;
  bool anonymous = false;
  std::string output;
  std::string sort;
  std::int64_t count = 4;
  std::string size;
  std::string state;
  std::string fix;
  bool version = false;

  void define(Flags& flags) {
    store.define(flags);
    const auto add = [&flags](const char* name, const char* help, auto& value) {
      flags.add({.name = name, .help = help, .in_environment = false}, value);
    };
    add("network", "the network of this name, of several: its keys are below PREFIX/NAME", network);
    add("timeout",
        "longest wait for the store, as 500ms, 10s or 1m; drain, undrain: 30s by default", timeout);
    add("json",
        "leases, node list, network list, status, peers, diff, events, log, doctor, trace, "
        "wireguard: print JSON",
        json);
    add("bad", "leases: list the quarantined records, with the reasons", bad);
    add("node", "reserve, unreserve: the public IP of the host", node);
    add("underlay-mtu", "config: MTU of the interface between the hosts", underlay_mtu);
    add("backend", "cleanup: only of udp, vxlan, ipip, host-gw, wireguard, ipsec, or all", backend);
    add("dry-run", "cleanup, store copy: only say what would be done", dry_run);
    add("force", "cleanup, config set, node remove, store: in spite of what speaks against it",
        force);
    flags.add({.name = "wait",
               .help = "config set: wait until all hosts have followed, at most 60s or this time",
               .in_environment = false,
               .bare_value = "60s"},
              wait);
    add("state-dir", "drain, undrain: the --state-dir of flanneld", state_dir);
    add("no-wait", "drain, undrain: do not wait for flanneld", no_wait);
    add("output", "report: the file; default: flannel-report-TIME.tar.gz in this folder", output);
    add("anonymous", "report: replace the addresses outside of the overlay, each by the same one",
        anonymous);
    add("list", "report: print what would be in it, and make none", list);
    flags.add({.name = "watch",
               .help = "status: again each second, or after this time, until it is interrupted",
               .in_environment = false,
               .bare_value = "1s"},
              watch);
    define_of_this_host(flags);
    add("version", "print the version", version);
  }

 private:
  // Those of commands that ask the daemon of this host.
  void define_of_this_host(Flags& flags) {
    const auto add = [&flags](const char* name, const char* help, auto& value) {
      flags.add({.name = name, .help = help, .in_environment = false}, value);
    };
    flags.add({.name = "fix",
               .help = "doctor: if checksums break on the way, have the kernel fill them in; off: "
                       "no longer",
               .in_environment = false,
               .bare_value = "on"},
              fix);
    add("control-socket",
        "status, peers, diff, events, log, doctor, trace, report, wireguard: the --control-socket "
        "of "
        "flanneld",
        control_socket);
    add("count", "ping: how often, 1 to 1000000", count);
    add("size", "ping: bytes of the packets, both ways; sweep: find the longest that pass", size);
    add("sort", "peers: by this column, as rtt, loss or state", sort);
    add("state", "peers: those in this state alone, as unreachable", state);
  }
};

Result<milliseconds> parse_timeout(std::string_view text) {
  const auto unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_decimal<std::uint32_t>(text.substr(0, unit_at));
  const std::string_view unit = text.substr(unit_at);
  const int factor = unit == "ms"                  ? 1
                     : unit == "s" || unit.empty() ? 1000
                     : unit == "m"                 ? 60'000
                                                   : 0;
  if (!number || *number == 0 || factor == 0) {
    return fail(ErrorKind::invalid, in_quotes(text) + " is no time such as 500ms, 10s or 1m");
  }
  return milliseconds(std::int64_t{*number} * factor);
}

Result<void> check_flags_fit(const Command& command, const Flags& flags) {
  for (const std::string_view name : kOwnFlags) {
    if (!flags.given(name) || std::ranges::count(command.own_flags, name) > 0) continue;
    return fail(ErrorKind::invalid,
                flags.label(name) + " means nothing to `" + std::string(command.name) + "`");
  }
  return {};
}

Result<void> check_words_fit(const Command& command, const std::vector<std::string>& words) {
  const std::string call = "`flannelctl " + call_of(command) + "`";
  if (words.size() < command.fewest_words)
    return fail(ErrorKind::invalid, "a word is missing: " + call);
  if (words.size() > command.most_words) {
    return fail(ErrorKind::invalid, "unexpected word " + in_quotes(words[command.most_words]) +
                                        ", the command is " + call);
  }
  return {};
}

Result<std::string> read_fix(const std::string& text) {
  if (text.empty() || text == "on" || text == "off") return text;
  return fail(ErrorKind::invalid, in_quotes(text) + " is neither on nor off");
}

Result<void> read_peers_flags(const CtlFlags& texts, const Flags& flags, CtlOptions& options) {
  options.sort = texts.sort;
  options.state = texts.state;
  if (!options.sort.empty()) TRY_DURING(check_peers_sort(options.sort), flags.label("sort"));
  return {};
}

Result<void> read_ping_flags(const CtlFlags& texts, const Flags& flags, CtlOptions& options) {
  if (texts.count < 1 || texts.count > kMostCount) {
    return fail(ErrorKind::invalid, flags.label("count") + ": " + std::to_string(texts.count) +
                                        " is not between 1 and 1000000");
  }
  options.count = static_cast<std::uint32_t>(texts.count);
  options.sweep = texts.size == "sweep";
  if (texts.size.empty() || options.sweep) return {};
  options.size = parse_decimal<std::uint32_t>(texts.size);
  if (!options.size || *options.size > kMostMtu) {
    return fail(ErrorKind::invalid, flags.label("size") + ": " + in_quotes(texts.size) +
                                        " is neither a number up to 65535 nor sweep");
  }
  return {};
}

Result<void> read_network(const CtlFlags& texts, const Flags& flags, CtlOptions& options) {
  if (texts.network.empty()) return {};
  TRY_DURING(check_network_name(texts.network), flags.label("network"));
  options = in_network(std::move(options), texts.network);
  return {};
}

Result<void> check_backend(const std::string& backend) {
  if (std::ranges::count(kBackends, backend) != 0) return {};
  return fail(ErrorKind::invalid,
              in_quotes(backend) + " is none of all, udp, vxlan, ipip, host-gw, wireguard, ipsec");
}

Result<CtlOptions> validate(const CtlFlags& texts, const Flags& flags, StoreOptions store) {
  CtlOptions options;
  options.store = std::move(store);
  TRY(read_network(texts, flags, options));
  options.timeout = TRY_DURING(parse_timeout(texts.timeout), flags.label("timeout"));
  options.json = texts.json;
  options.bad = texts.bad;
  options.node = texts.node;
  if (!options.node.empty() && !IpAddress::parse(options.node)) {
    return fail(ErrorKind::invalid,
                flags.label("node") + ": " + in_quotes(options.node) + " is not an IP address");
  }
  if (texts.underlay_mtu < kLeastMtu || texts.underlay_mtu > kMostMtu) {
    return fail(ErrorKind::invalid, flags.label("underlay-mtu") + ": " +
                                        std::to_string(texts.underlay_mtu) +
                                        " is not between 576 and 65535");
  }
  options.underlay_mtu = static_cast<std::uint32_t>(texts.underlay_mtu);
  TRY_DURING(check_backend(texts.backend), flags.label("backend"));
  options.backend = texts.backend;
  options.dry_run = texts.dry_run;
  options.force = texts.force;
  options.state_dir = texts.state_dir;
  options.no_wait = texts.no_wait;
  options.control_socket = texts.control_socket;
  options.list = texts.list;
  options.anonymous = texts.anonymous;
  options.output = texts.output;
  TRY(read_peers_flags(texts, flags, options));
  TRY(read_ping_flags(texts, flags, options));
  options.fix = TRY_DURING(read_fix(texts.fix), flags.label("fix"));
  if (flags.given("watch")) {
    options.watch = TRY_DURING(parse_timeout(texts.watch), flags.label("watch"));
  }
  if (flags.given("wait")) {
    options.wait = TRY_DURING(parse_timeout(texts.wait), flags.label("wait"));
  }
  return options;
}

// Converts --help and --version into the commands of these names.
std::vector<std::string> command_words(ParsedWords parsed, bool version) {
  if (parsed.help) parsed.words.insert(parsed.words.begin(), "help");
  if (version && parsed.words.empty()) return {"version"};
  return std::move(parsed.words);
}

// A Docker of another host is not asked.
std::string docker_socket(const Flags::Environment& environment) {
  const char* const value = environment("DOCKER_HOST");
  const auto socket = parse_docker_host(value != nullptr ? value : "");
  return socket ? *socket : std::string();
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// Among the variables FLANNELD_... only those that select the store concern this program.
void warn_of_variables(const Flags& flags, std::span<const std::string> set,
                       std::vector<std::string>& warnings) {
  std::vector<std::string> about_stores;
  for (const std::string& name : set) {
    if (name.starts_with("FLANNELD_ETCD") || name.starts_with("FLANNELD_STORE")) {
      about_stores.push_back(name);
    }
  }
  append(warnings, flags.unread_variables("FLANNELD_", about_stores));
  for (const std::string_view wrong : {"FLANNEL_", "FLANNELCTL_"}) {
    append(warnings, flags.misnamed_variables(wrong, "FLANNELD_", set));
  }
}

}  // namespace

std::string ctl_flags_usage() {
  CtlFlags texts;
  Flags flags;
  texts.define(flags);
  return flags.usage();
}

Result<CtlRun> parse_ctl_command_line(std::span<const std::string> arguments,
                                      const Flags::Environment& environment,
                                      std::span<const std::string> set_variables) {
  CtlFlags texts;
  Flags flags;
  texts.define(flags);
  ParsedWords parsed = TRY(flags.parse(arguments));
  const auto ignored = std::move(parsed.warnings);
  const auto words = command_words(std::move(parsed), texts.version);
  const FoundCommand found = TRY(find_command(words));
  TRY(check_flags_fit(*found.command, flags));
  TRY(flags.read_environment("FLANNELD_", environment));
  ParsedStore store = TRY(parse_store(texts.store, flags, environment));

  CtlRun run{found.command, TRY(validate(texts, flags, std::move(store.options))),
             std::move(store.warnings)};
  run.options.docker_socket = docker_socket(environment);
  if (!flags.given("timeout")) run.options.timeout = run.command->timeout;
  append(run.warnings, ignored);
  warn_of_variables(flags, set_variables, run.warnings);
  run.options.words.assign(words.begin() + static_cast<std::ptrdiff_t>(found.name_words),
                           words.end());
  TRY(check_words_fit(*run.command, run.options.words));
  if (run.command->run == run_help) TRY(check_help_words(run.options.words));
  return run;
}

int run_ctl(std::span<const std::string> arguments, const Flags::Environment& environment,
            const Terminal& terminal, std::span<const std::string> set_variables) {
  const auto run = parse_ctl_command_line(arguments, environment, set_variables);
  if (!run) {
    terminal.err << "flannelctl: " << printable(run.error().text) << "\n";
    return 2;
  }
  print_warnings(run->warnings, terminal);
  const auto done = run->command->run(run->options, terminal);
  terminal.out.flush();
  if (!done) {
    terminal.err << "flannelctl: " << printable(done.error().text) << "\n";
    return 1;
  }
  if (!terminal.out) {
    terminal.err << "flannelctl: write the output: the other end is closed or full\n";
    return 1;
  }
  return 0;
}

}  // namespace flannel
