// SPDX-License-Identifier: Apache-2.0
#include "daemon/run.h"

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "base/line_limit.h"
#include "base/log.h"
#include "base/version.h"
#include "core/control_socket.h"
#include "core/state_folder.h"
#include "daemon/control.h"
#include "daemon/docker_plugin.h"
#include "daemon/exit_guard.h"
#include "daemon/kept_fds.h"
#include "daemon/least_privilege.h"
#include "daemon/node.h"
#include "daemon/node_id_file.h"
#include "daemon/process_limits.h"
#include "daemon/scrub.h"
#include "daemon/sd_notify.h"
#include "daemon/state_locks.h"
#include "daemon/status_page.h"
#include "daemon/way_to_store.h"
#include "http/server.h"
#include "kernel/host/host_locks.h"
#include "kernel/objects/linux_kernel.h"
#include "kernel/process/net_admin.h"
#include "loop/epoll_loop.h"
#include "loop/loop_gate.h"
#include "loop/timer.h"
#include "net/address.h"
#include "page/page_api.h"
#include "registry/consul/consul_service.h"
#include "registry/open_registry.h"
#include "registry/store_addresses.h"
#include "status/board.h"
#include "status/pages.h"

namespace flannel {
namespace {

// Bytes. Larger allocations are not of one peer, but lists of many.
constexpr int kLargeAllocation = 128 << 10;
constexpr std::size_t kLongestControlBody = 64 << 10;  // bytes; a request has some dozens

// `flag`: that names another port.
Result<Fd> listen_at(const std::optional<ListenAddress>& address, std::string_view flag) {
  if (!address) return Fd();
  auto listener = listen_tcp(address->ip, address->port);
  if (listener) return std::move(listener->fd);
  if (listener.error().kind == ErrorKind::exists) {
    listener.error().text += fmt::format(
        "; \"ss -ltnp sport = {}\" names the program that has the port, {} takes another",
        address->port, flag);
  }
  return tl::unexpected(std::move(listener).error());
}

// /healthz is answered by a turn of the loop, so that a loop that hangs is seen. The other pages
// show what it published last.
HttpHandler health_pages(const LoopGate& gate, const StatusBoard& board) {
  return [turn = gate.sender(), &board](const HttpRequest& request, const HttpReply& reply) {
    const DaemonStatus daemon = board.daemon();  // first: it is published after the networks
    HttpResponse page = status_page(request, board.current(), daemon, BootClock::now());
    if (request.path != "/healthz") return reply(std::move(page));
    turn.post([reply, page = std::move(page)] { reply(page); });
  };
}

// Without the socket packets pass all the same, and another daemon of this host may have it.
Fd listen_for_control(const std::string& path) {
  if (path.empty()) return Fd();
  auto listener = listen_unix(path, kControlGroup);
  if (listener) return *std::move(listener);
  log::warning("no control socket: flannelctl cannot ask this daemon",
               {{"why", listener.error().text}, {"cure", "--control-socket names another"}});
  return Fd();
}

// Where the status page is asked for.
struct PageDoor {
  Fd listener;        // empty: there is no page
  std::string token;  // that its data need; empty: none
};

Result<PageDoor> open_page_door(const Options& options) {
  PageDoor door;
  if (!options.page) return door;
  if (const std::string& file = options.page_token_file; !file.empty()) {
    door.token = TRY_DURING(page::read_token(file), "--status-token-file");
  }
  door.listener = TRY(listen_at(options.page, "--status-addr"));
  return door;
}

// Without the page packets pass all the same.
PageDoor listen_for_page(const Options& options) {
  auto door = open_page_door(options);
  if (door) return *std::move(door);
  log::warning("no status page", {{"why", door.error().text}});
  return {};
}

struct Listeners {
  Fd health;
  Fd control;
  PageDoor page;
  PluginSocket plugin;
};

Result<Listeners> listen_for_all(const Options& options, KeptFds& kept) {
  return Listeners{TRY(listen_at(options.healthz, "--healthz-port")),
                   listen_for_control(options.control_socket), listen_for_page(options),
                   open_plugin_socket(options, kept)};
}

// Null: there is no page.
std::unique_ptr<StatusPage> open_page(const Options& options, const PageDoor& door,
                                      StatusPage::Parts parts) {
  if (!door.listener) return nullptr;
  const std::string at =
      to_string(IpEndpoint{*IpAddress::parse(options.page->ip), options.page->port});
  log::info(
      "the status page is served",
      {{"at", "http://" + at + "/"},
       {"needs", door.token.empty() ? "no token" : "the token in " + options.page_token_file}});
  parts.token = door.token;
  return std::make_unique<StatusPage>(std::move(parts));
}

Result<std::unique_ptr<HttpServer>> serve(Listeners listeners, const LoopGate& gate,
                                          const StatusBoard& board, Control& control,
                                          StatusPage* page) {
  std::vector<HttpService> services;
  if (listeners.health) {
    services.push_back({std::move(listeners.health), health_pages(gate, board)});
  }
  if (listeners.control) {
    HttpLimits limits = HttpLimits::for_this_process();
    limits.body = kLongestControlBody;
    services.push_back({std::move(listeners.control), control.handler(), limits});
  }
  if (page) services.push_back({std::move(listeners.page.listener), page->handler()});
  if (services.empty()) return nullptr;
  return TRY(HttpServer::open(std::move(services)));
}

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

std::string node_id_file(const Options& options) {
  return fmt::format("{}/{}", options.state_dir, kNodeIdFile);
}

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

// Holds them until the descriptors are closed.
Result<std::vector<Fd>> lock_subnet_files(const Options& options) {
  std::vector<Fd> all;
  for (const std::string& network : network_names(options)) {
    auto locked = TRY(lock_subnet_file(options_of(options, network).subnet_file));
    std::ranges::move(locked, std::back_inserter(all));
  }
  return all;
}

// Returns why this process may not change the network; empty: it may.
std::string warn_of_missing_power() {
  std::string powerless = missing_net_admin();
  if (!powerless.empty()) log::warning(powerless);
  return powerless;
}

struct SignalActs {
  std::function<void()> refresh, stop;
};

// To be called before any thread is started, so that all of them have these signals blocked.
// `acts` must outlive what is returned.
Result<SubscriptionPtr> follow_signals(EpollLoop& loop, ServiceNotifier& notifier,
                                       const SignalActs& acts) {
  return loop.on_signals({SIGTERM, SIGINT, SIGHUP}, [&notifier, &acts](int signal) {
    if (signal == SIGHUP) {
      log::info("reading options, store, kernel and interfaces again, as requested",
                {{"signal", signal}});
      return acts.refresh();
    }
    log::info("asked to stop; devices, routes and the lease stay", {{"signal", signal}});
    notifier.stopping();
    acts.stop();
  });
}

// Null: there is no socket.
Result<std::unique_ptr<DockerPlugin>> open_plugin(PluginSocket socket, const Options& options,
                                                  const StatusBoard& board, Node& node,
                                                  const LoopGate& gate) {
  return DockerPlugin::open(std::move(socket), {options, board, [&node, turn = gate.sender()] {
                                                  turn.post([&node] { node.on_pools(); });
                                                }});
}

Result<void> run_agent(const Options& options, OptionSource& source, ServiceNotifier& notifier,
                       KeptFds& kept) {
  // ---- from here on we touch the machine ----------------------------------------------------
  TRY(raise_descriptor_limit());
  const std::string powerless = warn_of_missing_power();
  auto loop = TRY(EpollLoop::open());
  const HeldBackLines held_back(*loop);
  SignalActs acts{.refresh = [] {}, .stop = [&loop] { loop->stop(); }};
  const auto signals = TRY(follow_signals(*loop, notifier, acts));
  const auto state = TRY(lock_state_folder(options.state_dir));
  const auto subnet_files = TRY(lock_subnet_files(options));
  Listeners listeners = TRY(listen_for_all(options, kept));
  const UnixSocketFile control_file(listeners.control ? options.control_socket : std::string());
  HostLocks locks("/run/flannel");
  const NodeTag node{TRY(load_or_make_node_id(node_id_file(options))), TRY(this_boot())};
  give_up_privileges(options);
  auto kernel = TRY(LinuxKernel::open());
  WayToStore way_to_store(*loop, notifier, kept, [&] { return store_addresses(options.store); });
  way_to_store.keep_clear();
  StatusBoard board(network_names(options));
  const auto service = TRY(register_with_consul(options, *loop));
  std::unique_ptr<DockerPlugin> plugin;  // null: there is none
  const auto pools = [&plugin] { return plugin ? plugin->pools() : std::vector<PoolUse>(); };
  Node process({options, source, notifier, kept, *loop, *kernel, locks, way_to_store, board, pools},
               {node, node_id_file(options), powerless});
  acts = {.refresh = [&] { process.refresh(); }, .stop = [&] { process.end(); }};
  const LoopGate gate(*loop);
  plugin = TRY(open_plugin(std::move(listeners.plugin), options, board, process, gate));
  Control control(*loop, process, board, pools, ::geteuid());
  const auto names = network_names(options);
  const auto page =
      open_page(options, listeners.page,
                {*loop, process, control, board, names.empty() ? "" : names.front(), ""});
  const auto server = TRY(serve(std::move(listeners), gate, board, control, page.get()));
  return process.run();
}

}  // namespace

int run(const Options& options, OptionSource& source) {
  // Writing to a closed connection is then an error of the call and does not end the daemon.
  ::signal(SIGPIPE, SIG_IGN);
  // If our parent process ignores SIGCHLD, programs that we run end without a status.
  ::signal(SIGCHLD, SIG_DFL);
  // Lists of all peers are short-lived: their memory goes back to the kernel when they are freed.
  // By default glibc keeps it after the first of them, which are 20 MB with 50,000 peers.
  ::mallopt(M_MMAP_THRESHOLD, kLargeAllocation);
  log::set_format(options.log_format);
  log::set_verbosity(options.verbosity);
  log::info("flanneld starts", {{"version", version()}, {"given", options.given}});
  const ExitGuard guard;
  for (const std::string& warning : options.warnings)
    log::warning(warning);
  if (options.has_secrets()) protect_memory();
  KeptFds kept = KeptFds::from_environment();
  ServiceNotifier notifier = ServiceNotifier::from_environment();
  const auto ended = run_agent(options, source, notifier, kept);
  if (!ended) {
    log::error(ended.error().text);
    notifier.status(ended.error().text);
    return 1;
  }
  log::info("stopped");
  return 0;
}

}  // namespace flannel
