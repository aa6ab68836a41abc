// SPDX-License-Identifier: Apache-2.0
#include "daemon/run.h"

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <random>
#include <utility>

#include "base/line_limit.h"
#include "base/log.h"
#include "base/version.h"
#include "daemon/agent.h"
#include "daemon/exit_guard.h"
#include "daemon/kept_fds.h"
#include "daemon/least_privilege.h"
#include "daemon/left_devices.h"
#include "daemon/node_id_file.h"
#include "daemon/opened_stores.h"
#include "daemon/process_limits.h"
#include "daemon/scrub.h"
#include "daemon/sd_notify.h"
#include "daemon/state_locks.h"
#include "daemon/status_of.h"
#include "daemon/udp_dataplane.h"
#include "daemon/way_to_store.h"
#include "filter/firewall.h"
#include "filter/forward_chains.h"
#include "filter/host_packet_filter.h"
#include "http/server.h"
#include "kernel/host/host_locks.h"
#include "kernel/host/host_state.h"
#include "kernel/host/host_view.h"
#include "kernel/monitor/monitor.h"
#include "kernel/objects/linux_kernel.h"
#include "kernel/process/net_admin.h"
#include "loop/epoll_loop.h"
#include "loop/loop_gate.h"
#include "loop/timer.h"
#include "registry/consul/consul_service.h"
#include "registry/open_registry.h"
#include "registry/store_addresses.h"
#include "status/board.h"
#include "status/pages.h"

namespace flannel {
namespace {

Random make_random() {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return [engine](std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(*engine);
  };
}

Result<Fd> listen_for_health(const std::optional<ListenAddress>& address) {
  if (!address) return Fd();
  auto listener = listen_tcp(address->ip, address->port);
  if (listener) return std::move(listener->fd);
  if (listener.error().kind == ErrorKind::exists) {
    listener.error().text += fmt::format(
        "; \"ss -ltnp sport = {}\" names the program that has the port, --healthz-port takes "
        "another",
        address->port);
  }
  return tl::unexpected(std::move(listener).error());
}

Result<std::unique_ptr<HttpServer>> serve_health(Fd listener, const StatusBoard& board) {
  if (!listener) return nullptr;
  return TRY(HttpServer::open(std::move(listener), [&board](const HttpRequest& request) {
    return status_page(request, *board.current(), BootClock::now());
  }));
}

// Publishes the state of the agent to the service manager and the health pages, at most once in
// each turn of the loop.
class Publisher {
 public:
  Publisher(Loop& loop, StatusBoard& board, ServiceNotifier& notifier)
      : loop_(loop), board_(board), notifier_(notifier) {}

  void changed(const Agent& agent) {
    agent_ = &agent;
    if (!due_.armed()) due_.arm(loop_.now());
  }

  void publish(const Agent& agent) {
    if (std::exchange(connected_, agent.follower().connected()) != agent.follower().connected()) {
      since_ = loop_.now();
    }
    StatusSnapshot status = status_of(agent, agent.store(), since_);
    line_ = one_line(status);
    board_.publish(std::move(status));
    if (!rest_.armed()) notify_manager();
  }

  const std::string& line() const { return line_; }

 private:
  static constexpr auto kRest = std::chrono::seconds(1);

  // At most once in kRest: each line wakes the manager.
  void notify_manager() {
    notifier_.status(line_);
    rest_.arm_after(kRest);
  }

  Loop& loop_;
  StatusBoard& board_;
  ServiceNotifier& notifier_;
  const Agent* agent_ = nullptr;  // that changed last
  Timer due_{loop_, [this] { publish(*agent_); }};
  Timer rest_{loop_, [this] { notifier_.status(line_); }};
  std::string line_;
  bool connected_ = false;
  TimePoint since_ = BootClock::now();
};

// Writes the number of log lines that were held back after their second, even if no other line is
// logged.
class HeldBackLines {
 public:
  explicit HeldBackLines(Loop& loop) : gate_(loop), due_(loop, [this] { write_due(); }) {
    log::on_held_back([this, sender = gate_.sender()] { sender.post([this] { write_due(); }); });
  }
  ~HeldBackLines() {
    log::on_held_back({});
    log::write_held_back(BootClock::now() + LineLimit::kPeriod);
  }
  HeldBackLines(const HeldBackLines&) = delete;
  HeldBackLines& operator=(const HeldBackLines&) = delete;

 private:
  void write_due() { due_.arm(log::write_held_back()); }

  LoopGate gate_;
  Timer due_;
};

// Reads how this host forwards packets, and which of them its packet filter refuses.
Result<HostState> read_traffic_state(const HostQuery& query) {
  HostState state = TRY(read_host_state(query));
  state.refusing_forward = refusing_forward_chains(query);
  return state;
}

std::string node_id_file(const Options& options) {
  return options.state_dir + "/node-id";
}

// The agent, its packet filter and its monitor of the kernel, and what they do to each other and to
// the edges of the process. Loop thread only.
class Daemon {
 public:
  struct Edges {  // all must outlive the daemon
    const Options& options;
    ServiceNotifier& notifier;
    KeptFds& kept;
    EpollLoop& loop;
    LinuxKernel& kernel;
    Registry& registry;
    const HostLocks& locks;
    WayToStore& way_to_store;
    StatusBoard& board;
  };

  // `powerless`: why this process may not change the network; empty: it may.
  Daemon(Edges edges, const NodeTag& node, std::string powerless)
      : edges_(edges),
        publisher_(edges.loop, edges.board, edges.notifier),
        agent_(agent_options(node, powerless), agent_parts(powerless)) {}

  // Returns after a signal, or with the error that ended it.
  Result<void> run() {
    monitor_ = TRY(Monitor::open(edges_.loop, edges_.kernel, monitor_events()));
    agent_.start();
    TRY(edges_.loop.run());
    if (fatal_) return tl::unexpected(*std::move(fatal_));
    return {};
  }

  void refresh() { agent_.refresh(); }

 private:
  AgentOptions agent_options(const NodeTag& node, const std::string& powerless) const {
    const Options& options = edges_.options;
    return {.underlay = options.underlay,
            .keeper = options.keeper,
            .node = node,
            .subnet_file = options.subnet_file,
            .ip_masq = options.firewall.rules.masquerade,
            .ip_blackhole_route = options.ip_blackhole_route,
            .packet_path = options.packet_path,
            .powerless = powerless};
  }

  Agent::Parts agent_parts(const std::string& powerless) {
    return {.loop = edges_.loop,
            .kernel = edges_.kernel,
            .registry = edges_.registry,
            .read_host = read_host,
            .random = make_random(),
            .on_programmed = [this](const Scope& scope,
                                    const Underlay& underlay) { watch_kernel(scope, underlay); },
            .on_ready = [this] { on_ready(); },
            .on_fatal =
                [this](Error error) {
                  fatal_ = std::move(error);
                  edges_.loop.stop();
                },
            .on_state = [this] { on_state(); },
            .open_packet_path =
                [this](const PacketPathSettings& settings, std::function<void()> on_state) {
                  return open_packet_path(settings, std::move(on_state));
                },
            .left_devices = left_devices,
            .acquire_lock = [this](std::string_view what) { return edges_.locks.acquire(what); },
            .rules = powerless.empty() ? &firewall_ : nullptr,
            .read_traffic_state = read_traffic_state,
            .store_addresses = [this] { return stores_.addresses(); },
            .open_store = [this](const StoreAddress& address) { return stores_.open(address); },
            .replace_node_id = [this] { return replace_node_id(node_id_file(edges_.options)); }};
  }

  Monitor::Events monitor_events() {
    return {.on_foreign_change =
                [this](const std::string& what) {
                  log::verbose(1, "others changed the kernel", {{"what", what}});
                  agent_.suspect_kernel();
                },
            .on_lost =
                [this] {
                  agent_.suspect_kernel();
                  agent_.suspect_host();
                },
            .on_underlay_change =
                [this] {
                  agent_.check_underlay();
                  // The kernel drops routes with the interface.
                  agent_.suspect_kernel();
                },
            .on_host_change = [this] { agent_.suspect_host(); }};
  }

  void watch_kernel(const Scope& scope, const Underlay& underlay) {
    const auto watched = monitor_->watch(scope, {underlay.interface, underlay.interface_index});
    if (!watched) log::error("cannot watch the kernel", {{"why", watched.error().text}});
    // Finds changes between reading the host and starting to watch it.
    agent_.check_underlay();
  }

  void on_ready() {
    // Frees the memory of the first list and batch, several megabytes.
    ::malloc_trim(0);
    if (agent_.planes()->packet_path() == nullptr) {
      forget_packet_path(edges_.notifier, edges_.kept, agent_.config()->networks());
    }
    log::info("flannel is ready");
    publisher_.publish(agent_);
    edges_.notifier.ready(publisher_.line());
  }

  void on_state() {
    if (agent_.config() != nullptr) edges_.way_to_store.stop();
    publisher_.changed(agent_);
  }

  Result<std::unique_ptr<PacketPath>> open_packet_path(const PacketPathSettings& settings,
                                                       std::function<void()> on_state) {
    return TRY(UdpDataplane::open(
        settings, {.loop = edges_.loop,
                   .on_state = std::move(on_state),
                   .take_kept = [this](std::string_view name) { return edges_.kept.take(name); },
                   .keep = [this](std::string_view name,
                                  std::span<const Fd> fds) { edges_.notifier.keep(name, fds); }}));
  }

  Edges edges_;
  OpenedStores stores_{edges_.options.store, edges_.loop};
  Publisher publisher_;
  std::optional<Error> fatal_;
  Agent agent_;
  Firewall firewall_{
      edges_.options.firewall,
      {.filter =
           [this](Family family) {
             return std::make_unique<HostPacketFilter>(edges_.loop, family);
           },
       .changes =
           [this](Family family) { return std::make_unique<HostRuleChanges>(edges_.loop, family); },
       .loop = edges_.loop,
       .on_state = [this] { agent_.rules_changed(); }}};
  std::unique_ptr<Monitor> monitor_;
};

// Null without --consul-register. The agent is on this host, so it reads any address of it.
Result<std::unique_ptr<ConsulService>> register_with_consul(const Options& options, Loop& loop) {
  if (!options.consul_register) return std::unique_ptr<ConsulService>();
  const auto& [ip, port] = *options.healthz;
  const bool v6 = ip.find(':') != std::string::npos;
  const std::string host = ip == "0.0.0.0" ? "127.0.0.1"
                           : ip == "::"    ? "[::1]"
                           : v6            ? "[" + ip + "]"
                                           : ip;
  const std::string number = std::to_string(port);
  return open_consul_service(
      options.store, {"flanneld-" + number, port, "http://" + host + ":" + number + "/readyz"},
      loop);
}

Result<void> run_agent(const Options& options, ServiceNotifier& notifier, KeptFds& kept) {
  // ---- from here on we touch the machine ----------------------------------------------------
  TRY(raise_descriptor_limit());
  const std::string powerless = missing_net_admin();
  if (!powerless.empty()) log::warning(powerless);
  auto loop = TRY(EpollLoop::open());
  const HeldBackLines held_back(*loop);
  // Before any thread is started, so that all of them have these signals blocked.
  std::function<void()> refresh;
  auto signals = TRY(loop->on_signals({SIGTERM, SIGINT, SIGHUP}, [&](int signal) {
    if (signal == SIGHUP) {
      log::info("reading store, kernel and interfaces again, as requested", {{"signal", signal}});
      return refresh();
    }
    log::info("asked to stop; devices, routes and the lease stay", {{"signal", signal}});
    notifier.stopping();
    loop->stop();
  }));
  const auto state = TRY(lock_state_folder(options.state_dir));
  const auto subnet_file = TRY(lock_subnet_file(options.subnet_file));
  Fd health_listener = TRY(listen_for_health(options.healthz));
  const HostLocks locks("/run/flannel");
  const NodeTag node{TRY(load_or_make_node_id(node_id_file(options))), TRY(this_boot())};
  give_up_privileges(options);
  auto kernel = TRY(LinuxKernel::open());
  WayToStore way_to_store(*loop, notifier, kept, [&] { return store_addresses(options.store); });
  way_to_store.keep_clear();
  auto registry = TRY(open_registry(options.store, *loop));
  StatusBoard board;
  auto health = TRY(serve_health(std::move(health_listener), board));
  const auto service = TRY(register_with_consul(options, *loop));
  Daemon daemon({options, notifier, kept, *loop, *kernel, *registry, locks, way_to_store, board},
                node, powerless);
  refresh = [&] { daemon.refresh(); };
  return daemon.run();
}

}  // namespace

int run(const Options& options) {
  // Writing to a closed connection is then an error of the call and does not end the daemon.
  ::signal(SIGPIPE, SIG_IGN);
  // If our parent process ignores SIGCHLD, programs that we run end without a status.
  ::signal(SIGCHLD, SIG_DFL);
  log::set_verbosity(options.verbosity);
  log::info("flanneld starts", {{"version", version()}, {"given", options.given}});
  const ExitGuard guard;
  for (const std::string& warning : options.warnings)
    log::warning(warning);
  const StoreOptions& store = options.store;
  if (!store.password.text.empty() || !store.key_file.empty() || !store.consul.token.text.empty() ||
      !store.consul.key_file.empty()) {
    protect_memory();
  }
  KeptFds kept = KeptFds::from_environment();
  ServiceNotifier notifier = ServiceNotifier::from_environment();
  const auto ended = run_agent(options, notifier, kept);
  if (!ended) {
    log::error(ended.error().text);
    notifier.status(ended.error().text);
    return 1;
  }
  log::info("stopped");
  return 0;
}

}  // namespace flannel
