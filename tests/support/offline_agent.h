// SPDX-License-Identifier: Apache-2.0
// A host that has run and kept what it knew, and starts again.
#pragma once

#include <string>
#include <vector>

#include "support/agent_fixture.h"

namespace flannel {

inline constexpr const char* kExtension =
    R"({"Network":"10.5.0.0/16","Backend":{"Type":"extension","PreStartupCommand":"pre",)"
    R"("PostStartupCommand":"post","SubnetAddCommand":"add"}})";

class AgentOfflineTest : public AgentTest {
 protected:
  // A host that has run, with a peer, and is kept as it was.
  void run_once(const char* config = kVxlan) {
    keeps_state_ = true;
    configure(config);
    if (config == kExtension) end("pre", {.output = "m1"});
    run_commands();
    put("10.5.9.0-24", peer(config == kExtension ? "extension" : "vxlan"),
        std::chrono::seconds(86400));
    run_commands();
    loop_.advance(std::chrono::minutes(6));
    ASSERT_EQ(ready_, 1);
    ASSERT_TRUE(kept_);
    own_ = own_key();
    start_agent();  // so that the changes until now are history
    loop_.advance(std::chrono::seconds(2));
    run_commands();
    agent_.reset();
    shell_.began();
  }
  // Those of the extension backend, with success, and those that follow.
  void run_commands() {
    do {
      shell_.end_all();
      loop_.run_until_idle();
    } while (!shell_.running().empty());
  }
  void end(const std::string& command, ShellEnd how = {}) {
    shell_.end(command, std::move(how));
    loop_.run_until_idle();
  }
  static std::string vxlan_peer(const std::string& ip, const std::string& end_of_mac = "09") {
    return R"({"PublicIP":")" + ip +
           R"(","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:)" +
           end_of_mac + R"("}})";
  }
  static std::string peer(std::string_view type) {
    if (type == "vxlan") return vxlan_peer("192.0.2.9");
    return R"({"PublicIP":"192.0.2.9","BackendType":"extension","BackendData":"m9"})";
  }
  void start_without_store() {
    store_->set_reachable(false);
    start_agent();
  }
  // The machine boots. Its clock may be wrong then.
  void boot(std::chrono::seconds off, bool is_right) {
    agent_.reset();
    kernel_ = FakeKernel();
    kernel_.add_foreign_device("eth0", "192.0.2.1/24");
    std::filesystem::remove(subnet_file());
    boot_ = 2;
    clock_.boot = "boot-2";
    clock_.wall += off;
    clock_.by_server = is_right;
  }
  std::string own_subnet() const { return to_string(decode_subnet_key(own_).value()); }
  std::size_t lists() const { return agent_->follower().counters().snapshots; }
  std::string all_problems() const { return fmt::format("{}", fmt::join(problems(), "\n")); }

  std::string own_;
};

}  // namespace flannel
