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
#include "daemon/node_id_file.h"
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
#include "kernel/ports/stale_tun.h"
#include "kernel/process/net_admin.h"
#include "loop/epoll_loop.h"
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
  Publisher(Loop& loop, const Registry& registry, StatusBoard& board, ServiceNotifier& notifier)
      : loop_(loop), registry_(registry), board_(board), notifier_(notifier) {}

  void changed(const Agent& agent) {
    if (due_) return;
    due_ = loop_.at(loop_.now(), [this, &agent] {
      due_.reset();
      publish(agent);
    });
  }

  void publish(const Agent& agent) {
    if (std::exchange(connected_, agent.follower().connected()) != agent.follower().connected()) {
      since_ = loop_.now();
    }
    StatusSnapshot status = status_of(agent, registry_, since_);
    line_ = one_line(status);
    board_.publish(std::move(status));
    if (!rest_) notify_manager();
  }

  const std::string& line() const { return line_; }

 private:
  static constexpr auto kRest = std::chrono::seconds(1);

  // At most once in kRest: each line wakes the manager.
  void notify_manager() {
    notifier_.status(line_);
    rest_ = loop_.at(loop_.now() + kRest, [this] {
      rest_.reset();
      notifier_.status(line_);
    });
  }

  Loop& loop_;
  const Registry& registry_;
  StatusBoard& board_;
  ServiceNotifier& notifier_;
  SubscriptionPtr due_;
  SubscriptionPtr rest_;
  std::string line_;
  bool connected_ = false;
  TimePoint since_ = BootClock::now();
};

// Writes the number of log lines that were held back after their second, even if no other line is
// logged.
class HeldBackLines {
 public:
  explicit HeldBackLines(Loop& loop) : loop_(loop) {
    log::on_held_back(
        [poster = loop.poster(), this] { poster->post([this] { write_held_back(); }); });
  }
  ~HeldBackLines() {
    log::on_held_back({});
    log::write_held_back(BootClock::now() + LineLimit::kPeriod);
  }
  HeldBackLines(const HeldBackLines&) = delete;
  HeldBackLines& operator=(const HeldBackLines&) = delete;

 private:
  void write_held_back() {
    const TimePoint next = log::write_held_back();
    if (next != kNever) due_ = loop_.at(next, [this] { write_held_back(); });
  }

  Loop& loop_;
  SubscriptionPtr due_;
};

// Removes the device of the udp backend if an earlier run used it and this one uses another
// backend.
void forget_packet_path(ServiceNotifier& notifier, KeptFds& kept, const Cidr4& network) {
  for (const std::string_view name : {UdpDataplane::kQueues, UdpDataplane::kSockets}) {
    if (!kept.take(name).empty()) notifier.keep(name, {});
  }
  const auto removed = remove_stale_tuns(network);
  if (!removed) {
    log::warning("cannot remove the device of the udp backend", {{"why", removed.error().text}});
  } else if (!removed->empty()) {
    log::info("device of the udp backend removed, the backend is another now",
              {{"device", *removed}});
  }
}

// Reads how this host forwards packets, and which of them its packet filter refuses.
Result<HostState> read_traffic_state(const HostQuery& query) {
  HostState state = TRY(read_host_state(query));
  state.refusing_forward = refusing_forward_chains(query);
  return state;
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
  const std::string node_id_file = options.state_dir + "/node-id";
  const NodeTag node{TRY(load_or_make_node_id(node_id_file)), TRY(this_boot())};
  give_up_privileges(options);
  auto kernel = TRY(LinuxKernel::open());
  auto addresses_of_store = [&options] { return store_addresses(options.store); };
  WayToStore way_to_store(*loop, notifier, kept, addresses_of_store);
  way_to_store.keep_clear();
  auto registry = TRY(open_registry(options.store, *loop));

  StatusBoard board;
  auto health = TRY(serve_health(std::move(health_listener), board));
  Publisher publisher(*loop, *registry, board, notifier);
  std::optional<Error> fatal;
  std::optional<Agent> agent;
  Firewall firewall(options.firewall, {.filter = std::make_unique<HostPacketFilter>(*loop),
                                       .changes = std::make_unique<HostRuleChanges>(*loop),
                                       .loop = *loop,
                                       .on_state = [&] { agent->rules_changed(); }});
  auto monitor =
      TRY(Monitor::open(*loop, *kernel,
                        {.on_foreign_change =
                             [&](const std::string& what) {
                               log::verbose(1, "others changed the kernel", {{"what", what}});
                               agent->suspect_kernel();
                             },
                         .on_lost =
                             [&] {
                               agent->suspect_kernel();
                               agent->suspect_host();
                             },
                         .on_underlay_change =
                             [&] {
                               agent->check_underlay();
                               // The kernel drops routes with the interface.
                               agent->suspect_kernel();
                             },
                         .on_host_change = [&] { agent->suspect_host(); }}));
  agent.emplace(
      AgentOptions{.underlay = options.underlay,
                   .keeper = options.keeper,
                   .node = node,
                   .subnet_file = options.subnet_file,
                   .ip_masq = options.firewall.rules.masquerade,
                   .ip_blackhole_route = options.ip_blackhole_route,
                   .packet_path = options.packet_path,
                   .powerless = powerless},
      Agent::Parts{
          .loop = *loop,
          .kernel = *kernel,
          .registry = *registry,
          .read_host = read_host,
          .random = make_random(),
          .on_programmed =
              [&](const Scope& scope, const Underlay& underlay) {
                if (auto watched =
                        monitor->watch(scope, {underlay.interface, underlay.interface_index});
                    !watched) {
                  log::error("cannot watch the kernel", {{"why", watched.error().text}});
                }
                // Finds changes between reading the host and starting to watch it.
                agent->check_underlay();
              },
          .on_ready =
              [&] {
                // Frees the memory of the first list and batch, several megabytes.
                ::malloc_trim(0);
                if (agent->packet_path() == nullptr) {
                  forget_packet_path(notifier, kept, agent->config()->network);
                }
                log::info("flannel is ready");
                publisher.publish(*agent);
                notifier.ready(publisher.line());
              },
          .on_fatal =
              [&](Error error) {
                fatal = std::move(error);
                loop->stop();
              },
          .on_state =
              [&] {
                if (agent->config() != nullptr) way_to_store.stop();
                publisher.changed(*agent);
              },
          .open_packet_path =
              [&](const PacketPathSettings& settings,
                  std::function<void()> on_state) -> Result<std::unique_ptr<PacketPath>> {
            return TRY(UdpDataplane::open(
                settings, {.loop = *loop,
                           .on_state = std::move(on_state),
                           .take_kept = [&](std::string_view name) { return kept.take(name); },
                           .keep = [&](std::string_view name,
                                       std::span<const Fd> fds) { notifier.keep(name, fds); }}));
          },
          .acquire_lock = [&](std::string_view what) { return locks.acquire(what); },
          .rules = powerless.empty() ? &firewall : nullptr,
          .read_traffic_state = read_traffic_state,
          .store_addresses = addresses_of_store,
          .replace_node_id = [&] { return replace_node_id(node_id_file); }});
  refresh = [&] { agent->refresh(); };
  agent->start();
  TRY(loop->run());
  if (fatal) return tl::unexpected(*std::move(fatal));
  return {};
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
  if (!options.store.password.text.empty() || !options.store.key_file.empty()) {
    keep_memory_to_ourselves();
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
