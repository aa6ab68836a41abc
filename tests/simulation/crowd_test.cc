// SPDX-License-Identifier: Apache-2.0
// Very many hosts, one host in every step of its life, and one host for a long time.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "simulation/world.h"

namespace flannel::simulation::crowd_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kWide = R"({"Network":"10.0.0.0/8","Backend":{"Type":"host-gw"}})";

// 250 by chance, and those that try again.
constexpr std::uint64_t kListsInASecond = 400;

// More that list and choose at once take hours, since each decodes all records.
constexpr int kMostAtOnce = 5000;

int hosts_of_a_crowd() {
  const char* text = std::getenv("CROWD");
  return text == nullptr ? 500 : std::atoi(text);
}

class Crowd : public ::testing::Test {
 protected:
  void SetUp() override { log::set_least_level(log::Level::nothing); }
  void TearDown() override { log::set_least_level(log::Level::info); }

  // Most are their leases alone; a few know all the others.
  static void begin(World& world) {
    world.begin();
    for (std::size_t i = 0; i < world.hosts_.size(); i += world.hosts_.size() / 10)
      world.hosts_[i]->daemon = Host::Daemon::without_kernel;
  }
  static bool all_hold(const World& world) {
    return std::all_of(world.hosts_.begin(), world.hosts_.end(), [](const auto& host) {
      return host->believes_to_hold() && host->process().connected();
    });
  }
  // Until all hosts hold their leases: what it took, and the busiest second's calls, and lists.
  struct Arrival {
    Duration took{};
    std::uint64_t calls = 0;
    std::uint64_t lists = 0;
  };
  static Arrival arrival(World& world) {
    Arrival arrival;
    const TimePoint began = world.timeline_.now();
    while (!all_hold(world) && world.timeline_.now() - began < minutes(20)) {
      const std::uint64_t calls = world.service_.calls;
      const std::uint64_t lists = world.service_.lists;
      world.let_pass(seconds(1));
      arrival.calls = std::max(arrival.calls, world.service_.calls - calls);
      arrival.lists = std::max(arrival.lists, world.service_.lists - lists);
    }
    arrival.took = world.timeline_.now() - began;
    return arrival;
  }
  static void print(const char* what, const World& world, const Arrival& arrival) {
    std::printf(
        "%zu hosts, %s: all hold after %.0f s, in a second at most %llu calls, %llu lists\n",
        world.hosts_.size(), what, std::chrono::duration<double>(arrival.took).count(),
        static_cast<unsigned long long>(arrival.calls),
        static_cast<unsigned long long>(arrival.lists));
  }
};

TEST_F(Crowd, ComesBackAfterAnOutageWithoutARush) {
  World world({.seed = 1,
               .daemon = Host::Daemon::without_table,
               .config = kWide,
               .hosts = std::min(hosts_of_a_crowd(), kMostAtOnce),
               .ttl = minutes(10)});
  begin(world);
  print("all at once", world, arrival(world));

  world.let_pass(minutes(5));
  world.stop_serving(milliseconds(800));
  world.store_.extend_all();
  world.let_pass(seconds(1));
  const Arrival after_change = arrival(world);
  print("a change of leader", world, after_change);
  EXPECT_LE(after_change.lists, kListsInASecond / 20) << "their watches go on";
  EXPECT_LT(after_change.took, minutes(1));

  world.stop_serving(hours(2));
  world.let_pass(hours(2));
  const Arrival back = arrival(world);
  print("back after two hours", world, back);
  EXPECT_LE(back.lists, kListsInASecond);
  EXPECT_LT(back.took, minutes(1));

  world.calm_down();
  world.let_pass(minutes(15));
  world.judge_when_quiet();
  EXPECT_TRUE(world.violations().empty()) << world.violations().front();
}

// Each host finds its lease when it starts.
void give_leases(World& world) {
  std::uint64_t number = 0;
  for (const auto& host : world.hosts_) {
    LeaseAttributes attributes = LeaseAttributes::of_host(world.enabled_ips(host->public_ip));
    attributes.backend_type = "host-gw";
    world.store_.put(encode_subnet_key(SubnetKey(world.config().v4->at(++number))),
                     encode_lease_value(attributes), world.plan_.ttl);
  }
}

TEST_F(Crowd, GoesOnAfterAChangeOfLeader) {
  const int hosts = hosts_of_a_crowd();
  World world({.seed = 2,
               .daemon = Host::Daemon::without_table,
               .config = kWide,
               .hosts = hosts,
               .ttl = hours(1),
               .start_within = milliseconds(4) * hosts});
  world.begin();
  give_leases(world);
  print("one after the other", world, arrival(world));

  world.let_pass(seconds(10));
  const std::uint64_t lists = world.service_.lists;
  world.stop_serving(milliseconds(800));
  world.store_.extend_all();
  world.let_pass(seconds(1));
  const Arrival after_change = arrival(world);
  print("a change of leader", world, after_change);
  EXPECT_EQ(world.service_.lists, lists);
  EXPECT_LT(after_change.took, seconds(30));
  EXPECT_TRUE(world.violations().empty()) << world.violations().front();
}

TEST_F(Crowd, OfOneThatCrashesInEachStepOfItsLifeKeepsItsSubnet) {
  for (int step = 0; step < 60; ++step) {
    World world({.seed = static_cast<std::uint64_t>(step) + 1, .hosts = 3, .ttl = seconds(60)});
    world.begin();
    world.let_pass(seconds(10));
    Host& host = *world.hosts_[0];
    const auto before = host.last_subnet;
    ASSERT_TRUE(before);
    host.crash();
    host.start();
    for (int life = 0; life < 3; ++life) {
      host.crash_after(step);
      world.let_pass(seconds(25));
      if (host.running()) break;  // fewer steps than that
      host.start();
    }
    host.crash_after(-1);
    world.calm_down();
    world.let_pass(minutes(5));
    world.judge_when_quiet();
    ASSERT_TRUE(world.violations().empty())
        << "step " << step << ": " << world.violations().front();
    EXPECT_EQ(host.last_subnet, before) << "step " << step;
  }
}

// Records of a stranger come and go all the time.
void churn(World& world) {
  const std::string key = world.some_key();
  if (world.store_.find(key) == nullptr) {
    world.store_.put(key,
                     encode_lease_value(world.announcement(world.enabled_ips(kStranger.plus(9)))),
                     seconds(90));
  }
  world.in(seconds(3), [&world] { churn(world); });
}

// Without the logs that the fake kernels keep for tests.
std::size_t memory_in_use(World& world) {
  for (const auto& host : world.hosts_)
    host->kernel.take_log();
  const auto now = ::mallinfo2();
  return now.uordblks + now.hblkhd;
}

TEST_F(Crowd, OfAFewHostsGrowsNoMemoryInADay) {
  // The judge remembers every MAC that was ever announced.
  World world({.seed = 7,
               .config = config_text(Enabled::both, "host-gw"),
               .hosts = 4,
               .ttl = minutes(5),
               .between_faults = minutes(1)});
  world.begin();
  churn(world);
  world.let_pass(hours(1));
  const auto early = memory_in_use(world);
  const auto events = world.events();
  world.let_pass(hours(23));
  const auto late = memory_in_use(world);
  std::printf("%zu bytes in use after an hour, %zu after a day; %llu events\n", early, late,
              static_cast<unsigned long long>(world.events() - events));
  ASSERT_TRUE(world.violations().empty()) << world.violations().front();
  EXPECT_LT(late, early + 64 * 1024);
}

}  // namespace
}  // namespace flannel::simulation::crowd_test
