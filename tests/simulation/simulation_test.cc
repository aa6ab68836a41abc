// SPDX-License-Identifier: Apache-2.0
// Whole clusters, each from one seed. SEEDS=N runs seeds 1 to N; SEED=K runs that one, with its
// trace.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "base/log.h"
#include "simulation/world.h"

namespace flannel::simulation::simulation_test {
namespace {

constexpr std::uint64_t kShards = 4;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines)
    all += "  " + line + "\n";
  return all;
}

// Runs the seed again, and prints what happens.
void print_trace(std::uint64_t seed) {
  log::set_least_level(log::Level::info);
  World({.seed = seed, .trace = true}).run();
  log::set_least_level(log::Level::nothing);
}

class Seeds : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override { log::set_least_level(log::Level::nothing); }
  void TearDown() override { log::set_least_level(log::Level::info); }
};

TEST_P(Seeds, LoseNoSubnetAndNoPeer) {
  const std::uint64_t one = number_from("SEED", 0);
  const std::uint64_t last = one != 0 ? one : number_from("SEEDS", 500);
  std::uint64_t events = 0;
  std::uint64_t faults = 0;
  bool has_trace = false;  // the first seed that fails prints its trace
  for (std::uint64_t seed = one != 0 ? one : GetParam() + 1; seed <= last; seed += kShards) {
    World world({.seed = seed});
    const auto& wrong = world.run();
    events += world.events();
    faults += world.faults();
    if (!wrong.empty()) {
      ADD_FAILURE() << "seed " << seed << ":\n"
                    << joined(wrong) << "again, with its trace: SEED=" << seed
                    << " simulation_test --gtest_filter='*Seeds*/0'";
    }
    if (one != 0 || (!wrong.empty() && !std::exchange(has_trace, true))) print_trace(seed);
    if (one != 0) break;
  }
  RecordProperty("events", std::to_string(events));
  std::printf("%llu events, %llu faults\n", static_cast<unsigned long long>(events),
              static_cast<unsigned long long>(faults));
}

INSTANTIATE_TEST_SUITE_P(Shard, Seeds, ::testing::Range<std::uint64_t>(0, kShards));

}  // namespace
}  // namespace flannel::simulation::simulation_test
