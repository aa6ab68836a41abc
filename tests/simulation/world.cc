// SPDX-License-Identifier: Apache-2.0
#include "simulation/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "backend/vxlan.h"
#include "base/log.h"

namespace flannel::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Of so many seeds, one has a store without a history.
constexpr std::uint64_t kOneWithoutHistory = 5;

Enabled some_families(Chance& chance) {
  const auto drawn = chance.below(100);
  return drawn < 50 ? Enabled::v4 : drawn < 80 ? Enabled::both : Enabled::v6;
}

Plan filled(Plan plan, Chance& chance) {
  constexpr seconds kLives[] = {seconds(20), seconds(60), seconds(300)};
  if (plan.hosts == 0) plan.hosts = 2 + static_cast<int>(chance.below(7));
  if (plan.ttl == seconds(0)) plan.ttl = kLives[chance.below(3)];
  if (plan.chaos == Duration::zero()) plan.chaos = chance.between(minutes(5), minutes(20));
  if (plan.between_faults == Duration::zero()) {
    plan.between_faults = chance.between(seconds(2), seconds(30));
  }
  if (plan.config.empty()) {
    const char* backend = chance.percent(40) ? "host-gw" : "vxlan";
    plan.config = config_text(some_families(chance), backend);
  }
  return plan;
}

}  // namespace

World::World(Plan plan)
    : chance_(plan.seed),
      plan_(filled(plan, chance_)),
      store_(timeline_, [this](const std::string& what) { violated(what); }),
      service_{timeline_, chance_, store_, plan_.seed % kOneWithoutHistory != 0},
      judge_(timeline_, store_, hosts_, service_.follows_config,
             [this](const std::string& what) { violated(what); }) {
  configure(plan_.config);
  changes_config_ = chance_.percent(50);
  service_.follows_config = chance_.percent(50);
}

World::~World() {
  store_.on_expired = [](const Record&) {};
  if (plan_.trace) log::capture({});
  hosts_.clear();
}

const std::vector<std::string>& World::run() {
  if (plan_.trace) {
    log::capture([this](std::string_view line) {
      say((turn_of_ != nullptr ? turn_of_->name() + " | " : "| ") + std::string(line));
    });
  }
  begin();
  next_fault();
  let_pass(plan_.chaos);
  calm_down();
  // The longest pause of a retry, a lease that lapses, and the last one renewed.
  let_pass(plan_.ttl + minutes(3));
  judge_when_quiet();
  restart_outdated(100);
  remove_strangers();
  let_pass(plan_.ttl + minutes(3));
  judge_when_quiet();
  return violations_;
}

void World::begin() {
  store_.on_expired = [this](const Record& record) { judge_.after_expiry(record); };
  if (!service_.keeps_history) store_.heard_by += Service::kBetweenLists;
  restore_config();
  for (int i = 0; i < plan_.hosts; ++i) {
    Host& host = add_host();
    in(chance_.between(Duration::zero(), plan_.start_within), [&host] { host.start(); });
  }
  judge_beliefs();
}

Host& World::add_host() {
  const int number = static_cast<int>(hosts_.size()) + 1;
  const std::string folder = folder_.path() + "/h" + std::to_string(number);
  std::filesystem::create_directory(folder);
  const KeeperOptions keeper{.ttl = plan_.ttl, .renew_margin = plan_.ttl / 2};
  hosts_.push_back(std::make_unique<Host>(service_, number, keeper, folder));
  Host& host = *hosts_.back();
  host.daemon = plan_.daemon;
  const bool may_lack = !changes_config_ && families_of(config_) == Enabled::both;
  if (may_lack && chance_.percent(15)) host.lacks = chance_.percent(50) ? Family::v4 : Family::v6;
  host.machine.before_turn = [this, &host] { turn_of_ = &host; };
  host.machine.on_turn = [this, &host] {
    judge_.after_turn(host);
    host.turn_done();
  };
  return host;
}

void World::configure(const std::string& text) {
  config_text_ = text;
  config_ = parse_network_config(text)->config;
}

void World::restart_outdated(unsigned percent) {
  if (service_.follows_config) return;
  for (const auto& host : hosts_) {
    const NetworkConfig* config = host->running() ? host->process().config() : nullptr;
    if (config == nullptr || *config == config_ || !chance_.percent(percent)) continue;
    say("the daemon of " + host->name() + " is started again");
    host->crash();
    host->start();
  }
}

Host& World::any_host() {
  return *hosts_[chance_.below(hosts_.size())];
}

void World::in(Duration wait, std::function<void()> work) {
  timeline_.after(wait, std::move(work));
}

void World::next_fault() {
  in(chance_.between(Duration::zero(), 2 * plan_.between_faults), [this] {
    if (calm_) return;
    ++faults_;
    befall(*this);
    next_fault();
  });
}

void World::judge_beliefs() {
  judge_.compare_beliefs();
  store_.forget_history();
  in(seconds(1), [this] { judge_beliefs(); });
}

void World::stop_serving(Duration outage) {
  service_.serving = false;
  cut_connections();
  in(outage, [this] {
    service_.serving = true;
    for (const auto& host : hosts_)
      host->disturb();
  });
}

void World::cut_connections() {
  ++service_.connections;
  for (const auto& host : hosts_)
    host->break_streams();
}

void World::begin_sharing(Host& first, Host& later) {
  later.crash();
  first.lose_address();
  later.take_address_of(first);
  later.shares_with = &first;
  first.shares_with = &later;
  first.shares_since = later.shares_since = timeline_.now();
  later.start();
}

void World::end_sharing(Host& host) {
  Host* other = std::exchange(host.shares_with, nullptr);
  if (other == nullptr) return;
  other->shares_with = nullptr;
  other->shares_until = host.shares_until = timeline_.now();
  host.crash();
  host.change_address();
  if (!host.gone && host.machine.runs()) host.start();
}

// Whatever is broken is mended, by people too. What a stranger has taken he keeps.
void World::calm_down() {
  say("---- from here on nothing happens");
  calm_ = true;
  service_.serving = true;
  if (!store_.snapshot().config || store_.snapshot().config->text != config_text_) restore_config();
  for (const auto& host : hosts_) {
    end_sharing(*host);
    host->cut(false);
    host->link = Link{.lied_at = host->link.lied_at};  // that it was lied to has its effect still
    if (host->gone) continue;
    if (!host->machine.runs()) {
      host->machine.resume();
      host->stood_still_until = timeline_.now();
    }
    host->unsure_until = std::max(host->unsure_until, timeline_.now());
    host->disturb();
    if (!host->running()) host->start();
  }
  restart_outdated(70);
}

void World::remove_strangers() {
  const Snapshot all = store_.snapshot();
  for (const Record& record : all.records) {
    const auto says = decode_lease_value(record.value);
    const IpAddress owner = says ? store_.owner_of(*says) : kStranger;
    if (IpPrefix::of(kStranger, 24).contains(owner) || owner.is_loopback())
      store_.remove(record.key);
  }
}

void World::judge_when_quiet() {
  if (!violations_.empty()) return;
  judge_.when_quiet();
  if (violations_.empty()) count_calls_at_rest();
}

// A host that is well asks the store for nothing but its renewals: two calls each.
void World::count_calls_at_rest() {
  for (const auto& host : hosts_)
    host->link.calls = 0;
  let_pass(5 * plan_.ttl);
  for (const auto& host : hosts_) {
    if (host->gone || !host->process().troubles().empty()) continue;
    if (host->link.calls > 40) {
      violated(fmt::format("{} made {} calls in five lives of its lease, in quiet times",
                           host->name(), host->link.calls));
    }
  }
}

void World::violated(const std::string& what) {
  say("VIOLATED: " + what);
  violations_.push_back(
      fmt::format("{:.3f} s: {}",
                  std::chrono::duration<double>(timeline_.now().time_since_epoch()).count(), what));
  timeline_.stop();
}

void World::say(const std::string& what) const {
  if (!plan_.trace) return;
  fmt::print(stderr, "{:12.3f} {}\n",
             std::chrono::duration<double>(timeline_.now().time_since_epoch()).count(), what);
}

std::string World::some_key() {
  const bool fits = chance_.percent(80);
  SubnetKey key;
  for (const Family family : kFamilies) {
    const auto& range = config().at(family);
    if (range && (fits || chance_.percent(50)))
      key.at(family) = range->at(chance_.below(range->count()));
  }
  if (key.v4 && key.v6 && chance_.percent(50))
    key.v6 = config().v6->at(config().v4->number_of(key.v4->base));
  if (!key.v4 && !key.v6) return some_key();
  return encode_subnet_key(key);
}

PublicIps World::enabled_ips(IpAddress ip) const {
  PublicIps ips(ip, twin_of(ip));
  for (const Family family : kFamilies) {
    if (!config().at(family)) ips.at(family).reset();
  }
  return ips;
}

LeaseAttributes World::announcement(const PublicIps& ips) const {
  LeaseAttributes attributes = LeaseAttributes::of_host(ips);
  attributes.backend_type = config().backend_type;
  if (attributes.backend_type != "vxlan") return attributes;
  const Mac mac{{2, 0, 0, 0, 9, name_of(ips).bytes[3]}};
  for (const IpAddress& ip : values_of(ips))
    attributes.data(ip.family) = encode_vxlan_data({1, mac});
  return attributes;
}

}  // namespace flannel::simulation
