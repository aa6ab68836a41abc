// SPDX-License-Identifier: Apache-2.0
// Random histories of an engine and a daemon against a model: calls are lost on their way or with
// their answer, the daemon is killed, and the engine is started again, with its replay or without.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "docker/docker_pools.h"
#include "docker/docker_pools_file.h"

namespace flannel::docker_pools_random_test {
namespace {

const IpPrefix kSubnet = IpPrefix::parse("10.5.34.0/26").value();
const IpAddress kGateway = kSubnet.base.plus(1);

class OneBridge : public PoolHost {
 public:
  bool has_bridge = false;
  TimePoint time;

  std::vector<std::string> networks() override { return {""}; }
  Result<SubnetKey> subnets(const std::string&) override { return SubnetKey::of(kSubnet); }
  std::uint32_t mtu(const std::string&) override { return 1450; }
  std::string device_in(const IpPrefix&) override { return has_bridge ? "br-1a2b3c" : ""; }
  TimePoint now() override { return time += std::chrono::seconds(10); }
  std::string route_over(const IpPrefix&) override { return ""; }
};

class History {
 public:
  explicit History(unsigned seed) : random_(seed) {}

  void step() {
    switch (random_() % 15) {
      case 0:
        return restart_engine(random_() % 4 == 0);
      case 1:
        return restart_daemon();
      case 2:
        return remove_network();
      case 3:
        return another_network();
      case 12:
        return run_named();
      case 13:
        return random_() % 4 == 0 ? lose_file() : run_named();
      case 4:
      case 5:
      case 6:
        return remove_container();
      default:
        return has_network_ ? run() : create();
    }
  }

  // What containers use is taken, unless the daemon has said that it does not know the pool.
  void check() {
    if (!has_network_ || pools_.state().pools.empty()) return;
    if (!pools_.state().pools.front().state().is_complete) return;
    for (const IpAddress& address : used_) {
      ASSERT_TRUE(pools_.state().pools.front().state().addresses.contains(address))
          << to_string(address);
    }
  }

  // After a start of the engine of which no call was lost, what is not used is free.
  void check_exact() {
    if (!has_network_) return;
    pools_.activate();
    replay(false);
    const std::size_t before = used_.size();
    run(false);
    ASSERT_EQ(pools_.state().pools.size(), 1U);
    ASSERT_EQ(used_.size(), before + 1) << "a network gets addresses again";
    ASSERT_EQ(pools_.state().pools.front().containers(), used_.size());
  }

 private:
  bool is_lost() { return random_() % 6 == 0; }

  // Makes a call that may be lost on its way, when Docker repeats it without a body, or with its
  // answer. Returns what Docker gets.
  template <typename Call>
  auto call(Call make, bool may_be_lost = true) {
    DockerPools next = pools_;
    auto answer = make(next);
    if (may_be_lost && is_lost()) {
      if (answer && random_() % 2 == 0) pools_ = next;
      restart_daemon();
      pools_.lose_call();
      return decltype(answer)(fail(ErrorKind::unavailable, "the call was lost"));
    }
    if (answer) pools_ = next;
    return answer;
  }
  void release(const IpAddress& address) {
    call([&](DockerPools& pools) {
      pools.release_address(kSubnet, address);
      return Result<int>(0);
    });
  }
  void release_pool() {
    call([&](DockerPools& pools) {
      pools.release_pool(kSubnet);
      return Result<int>(0);
    });
  }

  // Docker gives up what it has got if a later call fails, and makes no second bridge.
  void create() {
    PoolRequest request;
    if (random_() % 2 == 0) request.subnet = kSubnet;
    if (!call([&](DockerPools& pools) { return pools.request_pool(request, host_); })) return;
    AddressRequest gateway{.pool = kSubnet, .address = {}, .is_gateway = true};
    if (random_() % 3 == 0) gateway.address = kGateway;
    const bool has_gateway =
        call([&](DockerPools& pools) { return pools.request_address(gateway, host_); }).has_value();
    if (has_gateway && !has_network_) {
      has_network_ = host_.has_bridge = true;
      return;
    }
    if (has_gateway) release(kGateway);
    release_pool();
  }
  void another_network() {
    if (has_network_) create();
  }
  void remove_network() {
    if (!has_network_ || !used_.empty()) return;
    release(kGateway);
    release_pool();
    has_network_ = host_.has_bridge = false;
  }

  void run(bool may_be_lost = true) {
    const auto address =
        call([&](DockerPools& pools) { return pools.request_address({.pool = kSubnet}, host_); },
             may_be_lost);
    if (!address) return;
    ASSERT_TRUE(used_.insert(*address).second) << to_string(*address) << " is given twice";
  }
  // `docker run --ip`: an address that no container has.
  void run_named() {
    const IpAddress address = kSubnet.base.plus(2 + random_() % 29);
    if (!has_network_ || used_.contains(address)) return;
    const auto given = call([&](DockerPools& pools) {
      return pools.request_address({.pool = kSubnet, .address = address}, host_);
    });
    if (given) used_.insert(*given);
  }
  void lose_file() { pools_ = DockerPools(); }
  void remove_container() {
    if (used_.empty()) return;
    const auto one = std::next(used_.begin(), static_cast<long>(random_() % used_.size()));
    release(*one);
    used_.erase(one);
  }

  void restart_daemon() {
    auto state = decode_docker_pools(encode_docker_pools(pools_.state()));
    ASSERT_TRUE(state.has_value()) << state.error().text;
    pools_ = DockerPools(*std::move(state));
  }
  void restart_engine(bool without_plugin) {
    pools_.activate();
    if (has_network_ && !without_plugin) replay(true);
  }
  // Containers go on also if Docker could not restore their network.
  void replay(bool may_be_lost) {
    const auto pool =
        call([&](DockerPools& pools) { return pools.request_pool({.subnet = kSubnet}, host_); },
             may_be_lost);
    if (!pool) return;
    const auto gateway = call(
        [&](DockerPools& pools) {
          return pools.request_address({.pool = kSubnet, .address = kGateway, .is_gateway = true},
                                       host_);
        },
        may_be_lost);
    if (!gateway) release_pool();
    for (const IpAddress& address : used_) {
      call(
          [&](DockerPools& pools) {
            return pools.request_address({.pool = kSubnet, .address = address}, host_);
          },
          may_be_lost);
    }
  }

  std::mt19937 random_;
  OneBridge host_;
  DockerPools pools_;
  bool has_network_ = false;
  std::set<IpAddress> used_;  // by containers
};

TEST(DockerPoolsRandomTest, NoHistoryGivesAnAddressTwiceOrLosesOneForEver) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed);
    for (int i = 0; i < 100 && !testing::Test::HasFatalFailure(); ++i) {
      history.step();
      history.check();
    }
    if (!testing::Test::HasFatalFailure()) history.check_exact();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace flannel::docker_pools_random_test
