// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_follower.h"

#include <gtest/gtest.h>

#include "support/fake_docker.h"
#include "support/manual_loop.h"

namespace flannel::docker_follower_test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Made = std::vector<std::string>;

IpPrefix net(std::string_view text) {
  return IpPrefix::parse(text).value();
}

SubnetEnv env(std::string_view subnet = "10.5.34.0/24", std::uint32_t mtu = 1450) {
  SubnetEnv env;
  env.network = net("10.5.0.0/16");
  env.subnet = net(subnet);
  env.mtu = mtu;
  return env;
}

class DockerFollowerTest : public testing::Test {
 protected:
  std::string problem() const {
    const auto all = follower.problems();
    return all.empty() ? "" : std::string(all.front().kind->code);
  }
  void wait(Duration time = seconds(3)) { loop.advance(time); }

  ManualLoop loop;
  FakeDocker docker{loop};
  int states = 0;
  DockerFollower follower{"flannel",
                          {.loop = loop, .engine = docker, .on_state = [this] { ++states; }}};
};

TEST_F(DockerFollowerTest, DockerIsNotAskedBeforeThisHostHasASubnet) {
  docker.start();
  follower.wish(std::nullopt);
  wait();
  EXPECT_EQ(docker.lists, 0);
  follower.wish(env());
  wait();
  EXPECT_EQ(docker.made, Made{"flannel 10.5.34.0/24 1450"});
  EXPECT_EQ(problem(), "");
}

TEST_F(DockerFollowerTest, ASocketThatMayNotBeSeenIsNotCalledAbsent) {
  docker.hide("look at /run/docker.sock: permission denied");
  follower.wish(env());
  wait();
  ASSERT_EQ(problem(), "docker-refused");
  EXPECT_EQ(follower.problems().front().text, "look at /run/docker.sock: permission denied");
}

TEST_F(DockerFollowerTest, TheEndOfTwoNetworksOfOneNameIsFound) {
  docker.start();
  follower.wish(env());
  wait();
  ASSERT_EQ(problem(), "");
  const DockerNetwork right = docker.networks.front();
  docker.networks.push_back(right);
  docker.start();  // so that it is asked
  wait();
  ASSERT_EQ(problem(), "docker-network-twice");
  docker.networks.pop_back();
  wait(minutes(2));
  EXPECT_EQ(problem(), "");
}

TEST_F(DockerFollowerTest, TheNetworkIsMadeWhenDockerComesAndDockerIsAskedOnceMore) {
  follower.wish(env());
  wait(minutes(1));
  ASSERT_EQ(problem(), "docker-away");
  EXPECT_EQ(follower.problems().front().text, "/run/docker.sock is not there");
  EXPECT_EQ(docker.lists, 0);
  EXPECT_EQ(states, 1) << "one problem all the time";
  docker.start();
  wait();
  EXPECT_EQ(docker.made.size(), 1U);
  EXPECT_EQ(problem(), "");
  wait(minutes(10));
  EXPECT_EQ(docker.made.size(), 1U);
  EXPECT_EQ(docker.lists, 2);
}

TEST_F(DockerFollowerTest, ANetworkThatIsRemovedIsMadeAgainWithinTwoSeconds) {
  docker.start();
  follower.wish(env());
  wait();
  for (std::size_t count = 2; count < 5; ++count) {
    docker.remove("flannel");
    wait(seconds(2));
    EXPECT_EQ(docker.made.size(), count);
  }
}

TEST_F(DockerFollowerTest, ANetworkThatIsRemovedWhileDockerAnswersIsMadeAgain) {
  docker.start();
  follower.wish(env());
  docker.on_list = [this] { docker.on_list = [this] { docker.remove("flannel"); }; };
  wait();
  EXPECT_EQ(docker.networks.size(), 0U) << "the second list still had it";
  wait();
  EXPECT_EQ(docker.networks.size(), 1U);
}

TEST_F(DockerFollowerTest, ADockerThatComesBackIsAskedAgain) {
  docker.start();
  follower.wish(env());
  wait();
  docker.stop();
  wait();
  EXPECT_EQ(problem(), "docker-away");
  docker.networks.clear();
  docker.start();
  wait();
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(docker.made.size(), 2U);
}

TEST_F(DockerFollowerTest, ADockerThatWasStoppedIsNotStartedByAskingIt) {
  docker.listen();
  docker.start();
  follower.wish(env());
  wait();
  docker.stop();
  const int lists = docker.lists;
  wait(minutes(10));
  EXPECT_EQ(docker.lists, lists);
  ASSERT_EQ(problem(), "docker-away");
  EXPECT_EQ(follower.problems().front().text, "Docker was stopped: its pid file is gone");
  docker.start();
  wait();
  EXPECT_GT(docker.lists, lists);
  EXPECT_EQ(problem(), "");
}

TEST_F(DockerFollowerTest, ADockerWithoutAPidFileIsAskedWhenTheSocketIsThere) {
  docker.start();
  docker.has_no_pid_file();
  follower.wish(env());
  wait();
  EXPECT_EQ(docker.made.size(), 1U);
  docker.stop();
  wait();
  docker.networks.clear();
  docker.start();
  docker.has_no_pid_file();
  wait();
  EXPECT_EQ(docker.made.size(), 2U);
}

TEST_F(DockerFollowerTest, ASocketThatNobodyListensOnIsTriedEveryTenSeconds) {
  docker.start();
  docker.refusal = Error{ErrorKind::unavailable, "connection refused"};
  follower.wish(env());
  wait(minutes(10));
  EXPECT_EQ(problem(), "docker-away");
  EXPECT_GE(docker.lists, 59);
  EXPECT_LE(docker.lists, 61);
  docker.refusal.reset();
  docker.start();
  wait();
  EXPECT_EQ(problem(), "");
}

TEST_F(DockerFollowerTest, AnotherSubnetIsSaidAndNothingIsMadeUntilAnOperatorRemovesTheNetwork) {
  docker.start();
  follower.wish(env());
  wait();
  follower.wish(env("10.5.77.0/24"));
  wait();
  EXPECT_EQ(problem(), "docker-network-differs");
  EXPECT_EQ(docker.made.size(), 1U);
  EXPECT_EQ(docker.networks.size(), 1U);
  docker.remove("flannel");
  wait();
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(docker.made, (Made{"flannel 10.5.34.0/24 1450", "flannel 10.5.77.0/24 1450"}));
}

TEST_F(DockerFollowerTest, AProblemThatNoSignShowsToBeOverIsOverWithinTenSeconds) {
  docker.start();
  docker.networks = {{"other", "bridge", {net("10.5.0.0/16")}, {}, false}};
  follower.wish(env());
  wait();
  EXPECT_EQ(problem(), "docker-subnet-taken");
  docker.networks.clear();
  wait(seconds(11));
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(docker.made.size(), 1U);
}

TEST_F(DockerFollowerTest, ARefusalIsSaidAndTriedAgainLessAndLessOften) {
  docker.start();
  docker.refusal = Error{ErrorKind::invalid, "Docker answers 500: no room"};
  follower.wish(env());
  wait(minutes(5));
  EXPECT_EQ(problem(), "docker-refused");
  EXPECT_LE(docker.lists, 16);
  docker.refusal.reset();
  wait(seconds(32));
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(docker.made.size(), 1U);
}

TEST_F(DockerFollowerTest, AHostWithoutASubnetWishesNothing) {
  docker.start();
  follower.wish(env());
  wait();
  follower.wish(env("10.5.77.0/24"));
  wait();
  EXPECT_EQ(problem(), "docker-network-differs");
  follower.wish(std::nullopt);
  docker.remove("flannel");
  wait();
  EXPECT_EQ(docker.made.size(), 1U);
  EXPECT_EQ(problem(), "");
}

TEST_F(DockerFollowerTest, ARefusalThatArrivesWhenTheSubnetIsGoneIsNoProblem) {
  docker.start();
  docker.refusal = Error{ErrorKind::denied, "no"};
  docker.is_slow = true;
  follower.wish(env());
  wait();
  follower.wish(std::nullopt);
  wait();
  docker.hurry();
  wait();
  EXPECT_EQ(docker.lists, 1);
  EXPECT_EQ(problem(), "");
}

}  // namespace
}  // namespace flannel::docker_follower_test
