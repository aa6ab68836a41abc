// SPDX-License-Identifier: Apache-2.0
#include "simulation/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "daemon/agent.h"
#include "daemon/subnet_file.h"
#include "support/plain_host.h"

namespace flannel::simulation {
namespace {

constexpr std::uint8_t link_bits(Family family) {
  return family == Family::v4 ? 16 : 64;
}

HostView view_of(const PublicIps& ips) {
  HostView view;
  view.interfaces = {{.index = 2, .name = "eth0", .mtu = 1500, .up = true, .addresses = {}}};
  for (const IpAddress& ip : values_of(ips)) {
    view.interfaces[0].addresses.push_back({.ip = ip, .bits = link_bits(ip.family)});
    view.default_routes.push_back({.family = ip.family, .interface_index = 2});
  }
  view.lookup_route = [ips](const IpAddress& to) -> Result<RouteLookup> {
    const auto& source = ips.at(to.family);
    if (!source) return fail(ErrorKind::not_found, "no route");
    return RouteLookup{.interface_index = 2, .source = *source, .gateway = std::nullopt};
  };
  return view;
}

// The daemon's agent, whole.
class AgentProcess final : public Process {
 public:
  explicit AgentProcess(Host& host)
      : loop_(host.service.timeline, host.machine),
        registry_(host.service, host.link, host.machine, loop_, [&host] { return host.writer(); }),
        seen_(host),
        agent_(options(host), parts(host)) {
    if (host.drained) drain(true);
  }

  void start() override { agent_.start(); }
  void drain(bool drained) override {
    agent_.follow_drain(drained ? std::optional(DrainNote()) : std::nullopt);
  }
  const NetworkConfig* config() const override {
    return agent_.network() ? &agent_.network()->config() : nullptr;
  }
  const LeaseKeeper* keeper() const override {
    return agent_.network() ? &agent_.network()->keeper() : nullptr;
  }
  const LeaseTable* table() const override {
    return agent_.network() ? &agent_.network()->table() : nullptr;
  }
  Peers peers() const override {
    return agent_.network() ? agent_.network()->peers().leases() : Peers();
  }
  bool connected() const override { return agent_.follower().connected(); }
  std::vector<std::string> troubles() const override { return sentences(agent_.problems()); }
  SimulatedRegistry& registry() override { return registry_; }

 private:
  static AgentOptions options(const Host& host) {
    AgentOptions options;
    options.keeper = host.keeper_options;
    options.node = {host.node_id, host.boot()};
    options.keeper.node = options.node;
    options.subnet_file = host.subnet_file();
    if (host.number % 2 == 0) options.few_leases = 0;
    return options;
  }
  Agent::Parts parts(Host& host) {
    return {.loop = loop_,
            .kernel = host.kernel,
            .host = seen_,
            .registry = registry_,
            .random = host.service.chance.random(),
            .on_programmed = [this](const Scope&, const Underlay&) { agent_.check_underlay(); },
            .on_ready = [] {},
            .on_fatal = [](const Error&) {},
            .on_state = [] {}};
  }

  // The host as the agent of this run sees it.
  struct SeenHost final : PlainHost {
    explicit SeenHost(simulation::Host& of_run) : host(of_run), at_start(view_of(of_run.ips())) {}
    Result<HostView> view() override { return at_start; }
    std::vector<LeftDevice> left_devices(std::span<const IpPrefix> networks) override {
      return host.kernel.left_devices(networks);
    }
    HostClock clock() override { return host.clock(); }
    std::optional<RestoredState> kept_state() override {
      // It has the configuration of its time, which releases that do not follow it begin with.
      if (!host.kept_state || !host.service.follows_config) return std::nullopt;
      return decode_kept_state(*host.kept_state).value();
    }
    void keep_state(KeptState state, std::vector<ListedLease> leases) override {
      host.kept_state = encode_kept_state(state, leases);
    }
    void forget_state() override { host.kept_state.reset(); }
    Result<NodeId> replace_node_id() override {
      host.left_name = host.node_id;
      host.rename();
      return host.node_id;
    }
    simulation::Host& host;
    HostView at_start;
  };

  HostLoop loop_;
  SimulatedRegistry registry_;
  SeenHost seen_;
  Agent agent_;
};

}  // namespace

std::unique_ptr<Process> make_agent_process(Host& host) {
  return std::make_unique<AgentProcess>(host);
}

Host::Host(Service& of_service, int of_number, KeeperOptions keeper, std::string of_folder)
    : number(of_number),
      public_ip(first_ip()),
      folder(std::move(of_folder)),
      keeper_options(keeper),
      service(of_service),
      machine(of_service.timeline) {
  rename();
  boot_id = service.chance.below(1U << 31);
  plug_in();
}

// The network of an absent family on the link changes nothing.
void Host::plug_in() {
  for (const IpAddress& ip : {public_ip, twin_of(public_ip)})
    kernel.add_foreign_device("eth0", fmt::format("{}/{}", to_string(ip), link_bits(ip.family)));
}

PublicIps Host::ips() const {
  PublicIps ips(public_ip, twin_of(public_ip));
  if (lacks) ips.at(*lacks).reset();
  return ips;
}

PublicIps Host::used_ips() const {
  PublicIps used = ips();
  const NetworkConfig* config = running() ? process_->config() : nullptr;
  for (const Family family : kFamilies) {
    if (config != nullptr && !config->at(family)) used.at(family).reset();
  }
  return used;
}

HostClock Host::clock() const {
  constexpr auto kBegan = std::chrono::seconds(1'800'000'000);
  const auto passed =
      std::chrono::floor<std::chrono::seconds>(service.timeline.now().time_since_epoch());
  return {.boot = std::to_string(boot_id),
          .since_boot = machine.clock(),
          .wall = std::chrono::sys_seconds(kBegan + passed + wall_error),
          .by_server = wall_is_right};
}

void Host::start() {
  started_at = service.timeline.now();
  disturb();
  has_begun = false;
  known_peers.clear();
  subnet_since_start.reset();
  networks_since_start.clear();
  subnet_in_file = read_previous_subnet(subnet_file());
  link.lies = false;
  process_ = daemon == Daemon::whole ? make_agent_process(*this)
                                     : make_core_process(*this, daemon == Daemon::without_kernel);
  process_->start();
}

void Host::note_networks() {
  const NetworkConfig* config = running() ? process_->config() : nullptr;
  if (config == nullptr) return;
  for (const IpPrefix& network : config->networks()) {
    if (std::ranges::find(networks_since_start, network) == networks_since_start.end())
      networks_since_start.push_back(network);
  }
}

void Host::crash() {
  if (running()) stopped_at = service.timeline.now();
  process_.reset();
}

void Host::drain(bool now) {
  drained = now;
  disturb();
  if (running()) process_->drain(now);
}

void Host::turn_done() {
  if (turns_left_ >= 0 && turns_left_-- == 0) crash();
}

void Host::lose_address() {
  if (!known_by_node_) unsure_until = service.timeline.now() + std::chrono::minutes(60);
}

void Host::change_address() {
  lose_address();
  constexpr std::uint32_t kFirstOfOthers = 100;
  const auto net = kFirstOfOthers + static_cast<std::uint32_t>(addresses++ % 100);
  public_ip = IpAddress::v4(first_ip().v4_value() | (net << 8));
}

void Host::take_address_of(const Host& other) {
  lose_address();
  ++addresses;
  public_ip = other.public_ip;
}

void Host::rename() {
  known_by_node_ = false;
  for (std::uint8_t& byte : node_id.bytes)
    byte = static_cast<std::uint8_t>(service.chance.below(256));
}

void Host::reboot() {
  crash();
  machine.boot();
  boot_id = service.chance.below(1U << 31);
  has_booted = true;
  booted_at = service.timeline.now();
  std::filesystem::remove(subnet_file());
  kernel = FakeKernel();
  plug_in();
}

void Host::cut(bool off) {
  disturb();
  link.cut = off;
  if (off && running()) process_->registry().on_cut();
}

void Host::break_streams() {
  disturb();
  if (running()) process_->registry().break_streams();
}

void Host::lose_positions() {
  disturb();
  if (running()) process_->registry().lose_positions();
}

bool Host::is_undisturbed() const {
  return running() && machine.runs() && !link.cut && link.loss == 0 &&
         link.slowest <= std::chrono::milliseconds(20) && service.serving;
}

std::optional<Lease> Host::lease() const {
  if (!running() || process_->keeper() == nullptr) return std::nullopt;
  return process_->keeper()->lease();
}

bool Host::holds_without_end() const {
  return lease() && process_->keeper()->expires() == kNever;
}

bool Host::believes_to_hold() const {
  if (!running() || !machine.runs()) return false;
  const LeaseKeeper* keeper = process_->keeper();
  if (keeper == nullptr || !keeper->lease()) return false;
  const bool held =
      keeper->phase() == LeasePhase::active || keeper->phase() == LeasePhase::renewing;
  return held && keeper->expires() > machine.clock();
}

}  // namespace flannel::simulation
