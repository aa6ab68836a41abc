// SPDX-License-Identifier: Apache-2.0
#include "simulation/moving_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "support/plain_host.h"

namespace flannel::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kConfig =
    R"({"Network":"10.5.0.0/22","SubnetLen":26,"Backend":{"Type":"host-gw"}})";
constexpr auto kTtl = seconds(300);
const StoreAddress kOld = StoreAddress::parse("etcd2:http://old:2379").value();
const StoreAddress kNew = StoreAddress::parse("etcd3:http://new:2379").value();

HostView view_of(IpAddress ip) {
  HostView view;
  view.interfaces = {
      {.index = 2, .name = "eth0", .mtu = 1500, .up = true, .addresses = {{.ip = ip, .bits = 16}}}};
  view.default_routes = {{.interface_index = 2}};
  view.lookup_route = [ip](IpAddress) {
    return Result<RouteLookup>(
        RouteLookup{.interface_index = 2, .source = ip, .gateway = std::nullopt});
  };
  return view;
}

// The registries of a daemon that are open, and whether each is of the new store.
using OpenRegistries = std::map<SimulatedRegistry*, bool>;

class ListedRegistry final : public SimulatedRegistry {
 public:
  ListedRegistry(Site& site, Link& link, Machine& machine, HostLoop& loop,
                 std::function<Writer()> who, std::shared_ptr<OpenRegistries> open, bool is_new)
      : SimulatedRegistry(site.service, link, machine, loop, std::move(who)),
        open_(std::move(open)),
        is_new_(is_new) {
    open_->emplace(this, is_new);
  }
  ~ListedRegistry() override { open_->erase(this); }
  std::string describe() const override { return is_new_ ? "new" : "old"; }

 private:
  std::shared_ptr<OpenRegistries> open_;
  bool is_new_;
};

}  // namespace

// The daemon of a host, from its start to its end.
struct Mover::Run {
  Run(MovingCluster& of_cluster, Mover& of_host, bool at_new)
      : cluster(of_cluster),
        host(of_host),
        loop(of_cluster.timeline, of_host.machine),
        registry(open(at_new)),
        agent(options(), parts()) {}

  std::unique_ptr<SimulatedRegistry> open(bool at_new) {
    const Writer who{host.number, host.ip, host.ip};
    return std::make_unique<ListedRegistry>(
        at_new ? cluster.new_site : cluster.old_site, at_new ? host.link_to_new : host.link_to_old,
        host.machine, loop, [who] { return who; }, registries, at_new);
  }
  AgentOptions options() const {
    AgentOptions options;
    options.keeper = {.ttl = kTtl, .renew_margin = kTtl / 2};
    options.node = {host.node_id_, 7};
    options.keeper.node = options.node;
    options.subnet_file = host.folder_ + "/subnet.env";
    return options;
  }
  Agent::Parts parts() {
    return {.loop = loop,
            .kernel = host.kernel,
            .host = seen,
            .registry = *registry,
            .random = cluster.chance.random(),
            .on_programmed = [](const Scope&, const Underlay&) {},
            .on_ready = [] {},
            .on_fatal = [](const Error&) {},
            .on_state = [] {}};
  }

  // The host as the agent of this run sees it.
  struct SeenHost final : PlainHost {
    explicit SeenHost(Run& of_run) : run(of_run) {}
    Result<HostView> view() override { return view_of(run.host.ip); }
    Result<std::unique_ptr<Registry>> open_store(const StoreAddress& address) override {
      return run.open(address == kNew);
    }
    Run& run;
  };

  MovingCluster& cluster;
  Mover& host;
  HostLoop loop;
  std::shared_ptr<OpenRegistries> registries = std::make_shared<OpenRegistries>();
  std::unique_ptr<SimulatedRegistry> registry;
  SeenHost seen{*this};
  Agent agent;
};

Mover::Mover(MovingCluster& cluster, int of_number, std::string folder)
    : number(of_number),
      ip{IpAddress::v4(192, 168, 0, 0).plus(static_cast<std::uint32_t>(of_number))},
      machine(cluster.timeline),
      cluster_(cluster),
      folder_(std::move(folder)) {
  for (std::uint8_t& byte : node_id_.bytes)
    byte = static_cast<std::uint8_t>(cluster.chance.below(256));
  kernel.add_foreign_device("eth0", to_string(ip) + "/16");
  machine.on_turn = [this] { cluster_.judge_peers(*this); };
}

Mover::~Mover() = default;

void Mover::crash() {
  process_.reset();
}

void Mover::start(bool at_new) {
  peers.clear();
  process_ = std::make_unique<Run>(cluster_, *this, at_new);
  if (drained_) drain(true);
  process_->agent.start();
}

void Mover::drain(bool drained) {
  drained_ = drained;
  was_drained |= drained;
  if (process_) process_->agent.follow_drain(drained ? std::optional(DrainNote()) : std::nullopt);
}

const Agent* Mover::agent() const {
  return process_ ? &process_->agent : nullptr;
}

std::optional<Lease> Mover::lease() const {
  const Network* network = running() ? process_->agent.network() : nullptr;
  return network ? network->keeper().lease() : std::nullopt;
}

void Mover::cut(bool from_new, bool off) {
  (from_new ? link_to_new : link_to_old).cut = off;
  if (!running() || !off) return;
  for (const auto& [registry, is_new] : OpenRegistries(*process_->registries)) {
    if (is_new == from_new) registry->on_cut();
  }
}

void Mover::break_streams(bool to_new) {
  if (!running()) return;
  for (const auto& [registry, is_new] : OpenRegistries(*process_->registries)) {
    if (is_new == to_new) registry->break_streams();
  }
}

MovingCluster::MovingCluster(std::uint64_t seed)
    : chance(seed),
      old_site(timeline, chance, [this](const std::string& what) { violated("old: " + what); }),
      new_site(timeline, chance, [this](const std::string& what) { violated("new: " + what); }) {}

MovingCluster::~MovingCluster() {
  hosts.clear();
}

void MovingCluster::add_host(bool at_new) {
  const int number = static_cast<int>(hosts.size()) + 1;
  const std::string folder = folder_.path() + "/h" + std::to_string(number);
  std::filesystem::create_directory(folder);
  hosts.push_back(std::make_unique<Mover>(*this, number, folder));
  hosts.back()->start(at_new);
}

const std::vector<std::string>& MovingCluster::run() {
  old_site.store.set_config(kConfig);
  const int count = 3 + static_cast<int>(chance.below(4));
  for (int i = 0; i < count; ++i)
    add_host(false);
  timeline.run_until(timeline.now() + seconds(30));
  judge();
  befall();
  in(chance.between(seconds(0), seconds(20)), [this] { operate(); });
  timeline.run_until(timeline.now() + minutes(15));
  calm_ = true;
  timeline.run_until(timeline.now() + minutes(10));
  judge_end();
  return violations_;
}

// ---- what befalls it

void MovingCluster::befall() {
  in(chance.between(seconds(0), seconds(20)), [this] {
    if (calm_) return;
    fault();
    befall();
  });
}

void MovingCluster::outage(Site& site) {
  site.service.serving = false;
  ++site.service.connections;
  for (const auto& host : hosts)
    host->break_streams(&site == &new_site);
  in(chance.between(seconds(1), seconds(40)), [&site] { site.service.serving = true; });
}

void MovingCluster::fault() {
  Mover& host = *hosts[chance.below(hosts.size())];
  const Duration wait = chance.between(milliseconds(100), seconds(40));
  switch (chance.below(8)) {
    case 0:
    case 1: {
      const bool from_new = chance.percent(60);
      host.cut(from_new, true);
      in(wait, [&host, from_new] { host.cut(from_new, false); });
      break;
    }
    case 2:
      host.crash();
      in(wait / 4, [this, &host] {
        if (!host.running()) host.start(chance.percent(50));
      });
      break;
    case 3:
      if (!host.machine.runs()) break;
      host.machine.pause(chance.percent(50) ? Machine::Pause::asleep : Machine::Pause::frozen);
      in(wait, [&host] { host.machine.resume(); });
      break;
    case 4:
      outage(new_site);
      break;
    case 5:
      outage(old_site);
      break;
    case 6:
      drain(host, wait);
      break;
    default:
      if (hosts.size() < 12) add_host(new_site.store.snapshot().config && chance.percent(50));
  }
}

// Some stay drained to the end.
void MovingCluster::drain(Mover& host, Duration wait) {
  if (host.is_drained() || !host.machine.runs()) return;
  host.drain(true);
  if (chance.percent(70)) in(wait, [this, &host] { undrain(host); });
}

void MovingCluster::undrain(Mover& host) {
  if (!host.machine.runs()) return in(seconds(1), [this, &host] { undrain(host); });
  host.drain(false);
}

// ---- the operator

void MovingCluster::operate() {
  if (notes_of(new_site).from && notes_of(new_site).from->retired) return;
  const auto notes = notes_of(old_site);
  if (!notes.to || (!notes.to->retired && chance.percent(20))) {
    copy();
  } else if (!notes.to->retired && !abandoned_ && chance.percent(10)) {
    abandoned_ = true;
    writes_ = {[this] { note(old_site, {}); }};
  } else {
    try_to_retire();
  }
  next_write(0);
}

// Does one write after the other, each at its time; sometimes the operator is interrupted.
void MovingCluster::next_write(std::size_t at) {
  const bool interrupted = !calm_ && chance.percent(3);
  if (at >= writes_.size() || interrupted) {
    writes_.clear();
    in(chance.between(seconds(5), seconds(60)), [this] { operate(); });
    return;
  }
  in(chance.between(milliseconds(1), milliseconds(300)), [this, at] {
    const Step write = writes_[at];
    write();
    next_write(at + 1);
  });
}

void MovingCluster::copy() {
  const Snapshot to = new_site.store.snapshot();
  const auto plan = plan_copy(old_site.store.snapshot(), to,
                              {kOld, kNew, fmt::format("{:x}", chance.below(1U << 30)),
                               seconds(3600), false, old_site.store.remaining_lives()});
  writes_.clear();
  if (!plan) return violated("cannot copy: " + plan.error().text);
  writes_.push_back([this, text = plan->config_of_to] { new_site.store.set_config(text); });
  for (const CopyStep& step : plan->steps) {
    const auto* create = std::get_if<CopyStep::Create>(&step.act);
    const auto* replace = std::get_if<CopyStep::Replace>(&step.act);
    const auto* remove = std::get_if<CopyStep::Remove>(&step.act);
    const Record seen = replace ? replace->seen : remove ? remove->seen : Record();
    writes_.push_back([this, step, seen, create = create ? *create : CopyStep::Create{},
                       replaces = replace ? replace->value : std::string(),
                       removes = remove != nullptr] {
      Store& store = new_site.store;
      const Record* there = store.find(step.key);
      if (!create.value.empty() && there == nullptr) store.put(step.key, create.value, step.ttl);
      if (there == nullptr || there->revision != seen.revision) return;
      if (!replaces.empty()) store.put(step.key, replaces, step.ttl);
      if (removes) store.remove(step.key);
    });
  }
  writes_.push_back([this, text = plan->config_of_from] { old_site.store.set_config(text); });
}

void MovingCluster::try_to_retire() {
  writes_.clear();
  const MoveNote note_of_old = *notes_of(old_site).to;
  const auto all = hosts_of_move(old_site.store.snapshot(), new_site.store.snapshot());
  const bool behind = std::ranges::any_of(all, [](const auto& host) { return host.is_behind(); });
  if (behind && !note_of_old.retired) return;
  writes_.push_back([this, note_of_old] {
    note(old_site, {.to = MoveNote{note_of_old.id, kNew, true}, .from = {}});
  });
  writes_.push_back([this] { finish_retirement(); });
  writes_.push_back([this, note_of_old] {
    note(new_site, {.to = {}, .from = MoveNote{note_of_old.id, kOld, true}});
  });
}

void MovingCluster::finish_retirement() {
  for (const auto& host : hosts_of_move(old_site.store.snapshot(), new_site.store.snapshot())) {
    if (host.following != Following::missing) continue;
    new_site.store.put(host.key, with_copy_mark(host.record.value, "1"), kTtl);
  }
}

void MovingCluster::note(Site& site, const MoveNotes& notes) {
  site.store.set_config(with_move_notes(site.store.snapshot().config->text, notes).value());
}

MoveNotes MovingCluster::notes_of(const Site& site) const {
  const auto config = site.store.snapshot().config;
  return config ? read_move_notes(config->text).value() : MoveNotes();
}

void MovingCluster::violated(const std::string& what) {
  violations_.push_back(
      fmt::format("{:.3f} s: {}",
                  std::chrono::duration<double>(timeline.now().time_since_epoch()).count(), what));
  timeline.stop();
}

}  // namespace flannel::simulation
