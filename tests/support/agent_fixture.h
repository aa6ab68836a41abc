// SPDX-License-Identifier: Apache-2.0
// An agent on a host with a store and a kernel that keep state, and time that stands still.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"
#include "daemon/agent.h"
#include "daemon/problem_list.h"
#include "registry/memory/memory_registry.h"
#include "support/fake_kernel.h"
#include "support/manual_loop.h"
#include "support/plain_host.h"

namespace flannel {

inline constexpr const char* kPrefix = "/coreos.com/network";
inline constexpr const char* kHostGw = R"({"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}})";
inline constexpr const char* kVxlan = R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}})";

inline std::string peer_value(const std::string& public_ip, const std::string& type = "host-gw") {
  return R"({"PublicIP":")" + public_ip + R"(","PublicIPv6":null,"BackendType":")" + type + "\"}";
}

// A packet path that keeps the tables that are published.
class FakePacketPath final : public PacketPath {
 public:
  struct Seen {
    PacketPathSettings settings;
    std::vector<std::shared_ptr<const ForwardTable>> tables;
    std::string trouble;
    std::function<void()> on_state;
    int retired = 0;
  };
  explicit FakePacketPath(Seen& seen) : seen_(seen) {}
  const std::string& device() const override { return device_; }
  void publish(std::shared_ptr<const ForwardTable> table) override {
    seen_.tables.push_back(std::move(table));
  }
  const std::string& trouble() const override { return seen_.trouble; }
  std::shared_ptr<const PacketCounters> counters() const override {
    return std::make_shared<PacketCounters>();
  }
  Result<void> reopen(const PacketPathSettings& settings) override {
    seen_.settings = settings;
    return {};
  }
  void retire() override { ++seen_.retired; }

 private:
  Seen& seen_;
  std::string device_ = "flannel3";
};

// A key exchange that keeps the tunnels that it is to have.
class FakeKeyExchange final : public KeyExchange {
 public:
  struct Seen {
    int opened = 0, withdrawn = 0;
    IpsecSettings settings;
    std::vector<IpsecPeer> peers;
    std::string problem;
    std::function<void()> on_state;
    // "192.0.2.1 10.5.1.0/24 - 10.5.9.0/24 192.0.2.9", a line for each.
    std::string tunnels() const {
      std::string text;
      for (const IpsecPeer& one : peers) {
        text += fmt::format("{} {} - {} {}\n", to_string(one.own_ip), to_string(one.own_subnet),
                            to_string(one.subnet), to_string(one.ip));
      }
      return text;
    }
  };
  explicit FakeKeyExchange(Seen& seen) : seen_(seen) {}
  void set_settings(const IpsecSettings& settings) override { seen_.settings = settings; }
  void set_peers(std::vector<IpsecPeer> peers) override { seen_.peers = std::move(peers); }
  void withdraw(std::function<void()> done) override {
    ++seen_.withdrawn;
    seen_.peers.clear();
    done();
  }
  void append_problems(std::vector<Problem>& all) const override {
    if (!seen_.problem.empty()) all.push_back(make_problem(kCharonAway, "", seen_.problem));
  }

 private:
  Seen& seen_;
};

// A shell whose commands run until the test ends them.
class FakeShell {
 public:
  struct Command {
    ShellCall call;
    std::function<void(ShellEnd)> done;
  };
  Result<SubscriptionPtr> run(ShellCall call, std::function<void(ShellEnd)> done) {
    const auto running = std::make_shared<Command>(Command{std::move(call), std::move(done)});
    running_.push_back(running);
    began_.push_back(text(*running));
    return std::make_unique<Dropped>(*this, running);
  }
  // The commands that run, with the subnet: "add 10.5.2.0/24".
  std::vector<std::string> running() const {
    std::vector<std::string> all;
    for (const auto& one : running_)
      all.push_back(text(*one));
    return all;
  }
  // All that have begun since the last call.
  std::vector<std::string> began() { return std::exchange(began_, {}); }
  const ShellCall& call(const std::string& command) const { return find(command)->call; }
  // Ends one of those that run.
  void end(const std::string& command, ShellEnd how = {}) {
    const auto one = find(command);
    std::erase(running_, one);
    one->done(std::move(how));
  }
  // Ends all, and those that they lead to, with success.
  void end_all() {
    while (!running_.empty())
      end(text(*running_.front()));
  }

 private:
  struct Dropped final : Subscription {
    Dropped(FakeShell& of, std::shared_ptr<Command> which) : shell(of), command(std::move(which)) {}
    ~Dropped() override { std::erase(shell.running_, command); }
    FakeShell& shell;
    std::shared_ptr<Command> command;
  };
  static std::string text(const Command& one) {
    for (const std::string& variable : one.call.variables) {
      if (variable.starts_with("SUBNET=")) return one.call.command + " " + variable.substr(7);
    }
    return one.call.command;
  }
  std::shared_ptr<Command> find(const std::string& command) const {
    const auto found =
        std::ranges::find_if(running_, [&](const auto& one) { return text(*one) == command; });
    if (found == running_.end()) throw std::runtime_error("does not run: " + command);
    return *found;
  }
  std::vector<std::shared_ptr<Command>> running_;
  std::vector<std::string> began_;
};

// One host, 192.0.2.1 on eth0, with a store and a kernel that keep state.
class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    log::capture({});  // the limit of log lines does not count earlier tests
    char name[] = "/tmp/flannel-agent-XXXXXX";
    folder_ = ::mkdtemp(name);
    kernel_.add_foreign_device("eth0", "192.0.2.1/24");
    start_agent();
  }
  ~AgentTest() override {
    agent_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Packet rules that are in place when the test sets them so.
  struct TestRules final : PacketRules {
    void want(const NetworkConfig& config, const SubnetKey& own,
              std::span<const IpPrefix> earlier) override {
      wanted = to_string(config.v4->network) + " " + to_string(own);
      earlier_networks.assign(earlier.begin(), earlier.end());
    }
    void admit(const OverlayIngress& ingress) override { admitted = ingress; }
    void leave() override { left = true; }
    bool has_left() const override { return left && wrong.empty(); }
    bool in_place() const override { return there; }
    std::vector<Problem> problems() const override {
      if (wrong.empty()) return {};
      return {make_problem(kRulesNotKept, "IPv4", wrong)};
    }
    std::string wanted, wrong;
    std::vector<IpPrefix> earlier_networks;
    OverlayIngress admitted;
    bool there = true;
    bool left = false;
  };

  // This host: what the test has set, and the state of its kernel.
  struct TestHost final : PlainHost {
    explicit TestHost(AgentTest& of_test) : test(of_test) {}
    Result<HostView> view() override { return test.host_; }
    Result<HostState> traffic_state(const HostQuery& query) override {
      test.asked_[query.family()] = query;
      if (test.on_host_check_) test.on_host_check_();
      if (!test.unreadable_.empty()) return fail(ErrorKind::system, test.unreadable_);
      return test.traffic_[query.family()];
    }
    std::vector<LeftDevice> left_devices(std::span<const IpPrefix> networks) override {
      return test.kernel_.left_devices(networks);
    }
    Result<std::vector<Fd>> lock(std::string_view what) override {
      if (what == test.taken_) return fail(ErrorKind::exists, test.taken_ + " is taken");
      test.locked_.emplace_back(what);
      return std::vector<Fd>();
    }
    Result<std::unique_ptr<PacketPath>> open_packet_path(const PacketPathSettings& settings,
                                                         std::function<void()> on_state) override {
      test.path_.settings = settings;
      test.path_.on_state = std::move(on_state);
      return test.open_path();
    }
    Result<std::unique_ptr<Registry>> open_store(const StoreAddress& address) override {
      return test.open_store_(address);
    }
    Result<WireguardIdentity> wireguard_keys() override {
      WireguardIdentity keys;
      keys.key.bytes.fill(test.kept_key_);
      return keys;
    }
    HostClock clock() override {
      HostClock now = test.clock_;
      now.since_boot = test.loop_.now();
      return now;
    }
    std::optional<RestoredState> kept_state() override {
      if (!test.kept_) return std::nullopt;
      return decode_kept_state(*test.kept_).value();
    }
    void keep_state(KeptState state, std::vector<ListedLease> leases) override {
      if (!test.keeps_state_) return;
      ++test.times_kept_;
      test.kept_ = encode_kept_state(state, leases);
    }
    void forget_state() override { test.kept_.reset(); }
    Result<WireguardIdentity> replace_wireguard_keys() override {
      if (!test.key_stays_.empty()) return fail(ErrorKind::conflict, test.key_stays_);
      test.kept_key_ += 10;
      if (!test.key_write_fails_.empty()) return fail(ErrorKind::system, test.key_write_fails_);
      return wireguard_keys();
    }
    Result<void> keep_wireguard_keys(const WireguardIdentity& keys) override {
      if (!test.key_write_fails_.empty()) return fail(ErrorKind::system, test.key_write_fails_);
      test.kept_key_ = keys.key.bytes[0];
      return {};
    }
    Result<SubscriptionPtr> run_command(ShellCall call,
                                        std::function<void(ShellEnd)> done) override {
      return test.shell_.run(std::move(call), std::move(done));
    }
    CommandPlace command_place() override {
      return {test.folder_ + "/extension.json", fmt::format("boot {}", test.boot_)};
    }
    std::unique_ptr<KeyExchange> open_key_exchange(const IpsecSettings& settings,
                                                   std::function<void()> on_state) override {
      ++test.keys_.opened;
      test.keys_.settings = settings;
      test.keys_.on_state = std::move(on_state);
      return std::make_unique<FakeKeyExchange>(test.keys_);
    }
    Result<NodeId> replace_node_id() override {
      NodeId fresh;
      fresh.bytes[0] = static_cast<std::uint8_t>(100 + ++test.fresh_ids_);
      return fresh;
    }
    AgentTest& test;
  };

  // Starts a new process on the same host; begun_ counts the reports of each.
  void start_agent() {
    agent_.reset();
    list_ = {};
    registry_ = open_memory_registry(given_store_ ? given_store_ : store_, kPrefix, loop_);
    ready_ = 0;
    fatal_.clear();
    AgentOptions& options = options_ = {};
    options.node.id.bytes[0] = 7;
    options.node.boot = boot_;
    options.keeper.renumber = renumber_;
    options.subnet_file = subnet_file();
    options.ip_blackhole_route = ip_blackhole_route_;
    options.powerless = powerless_;
    options.offline_start = offline_start_;
    options.leaves_deleted = leaves_deleted_;
    options.few_leases = few_leases_;
    agent_.emplace(
        options,
        Agent::Parts{
            .loop = loop_,
            .kernel = kernel_,
            .host = of_test_,
            .registry = *registry_,
            .random = [this](std::uint64_t n) { return chance(n); },
            .rules = &rules_,
            .other_problems = [this] { return option_problems_; },
            .on_programmed = [this](const Scope&, const Underlay&) { agent_->check_underlay(); },
            .on_ready = [this] { ++ready_; },
            .on_fatal = [this](const Error& e) { fatal_ = e.text; },
            .on_state = [this] { due_.arm(loop_.now()); }});
    if (note_at_start_) agent_->follow_drain(note_at_start_);
    agent_->start();
    loop_.run_until_idle();
  }

  // The operator has changed options_ and asks for them.
  void reconfigure() {
    agent_->reconfigure(options_);
    loop_.run_until_idle();
  }

  // Gives the host an IPv6 address and default route beside those of IPv4.
  void add_ipv6() {
    host_.interfaces[0].addresses.push_back(
        {.ip = IpAddress::parse_v6("2001:db8::1").value(), .bits = 64});
    host_.default_routes.push_back({.family = Family::v6, .interface_index = 2});
  }

  std::uint64_t chance(std::uint64_t bound) const { return last_chance_ ? bound - 1 : 0; }

  static HostView host() {
    HostView view;
    view.interfaces = {{.index = 2,
                        .name = "eth0",
                        .mtu = 1500,
                        .up = true,
                        .addresses = {{.ip = IpAddress::v4(192, 0, 2, 1), .bits = 24}}}};
    view.default_routes = {{.interface_index = 2}};
    view.lookup_route = [](IpAddress) {
      return Result<RouteLookup>(RouteLookup{
          .interface_index = 2, .source = IpAddress::v4(192, 0, 2, 1), .gateway = std::nullopt});
    };
    return view;
  }

  Result<std::unique_ptr<PacketPath>> open_path() {
    if (!path_fails_.empty()) return fail(ErrorKind::exists, path_fails_);
    kernel_.open_tun("flannel3");
    return std::make_unique<FakePacketPath>(path_);
  }

  void put(const std::string& key, const std::string& value, Ttl ttl = {}) {
    store_->put(kPrefix, key, value, ttl, loop_.now());
    loop_.run_until_idle();
  }
  void configure(const std::string& text) {
    store_->put_config(kPrefix, text);
    loop_.run_until_idle();
  }
  void remove(const std::string& key) {
    store_->remove(kPrefix, key);
    loop_.run_until_idle();
  }
  std::string own_key() const {
    return encode_subnet_key(agent_->network()->keeper().lease()->subnet);
  }
  // Our own record in the store.
  std::string record() const {
    const auto there = store_->snapshot(kPrefix);
    const auto own = std::ranges::find(there.records, own_key(), &Record::key);
    return own == there.records.end() ? "" : own->value;
  }
  bool announces(const std::string& text) const { return record().find(text) != std::string::npos; }
  bool has(const std::string& line) const { return kernel_.dump().find(line) != std::string::npos; }
  std::string subnet_file() const { return folder_ + "/run/subnet.env"; }
  // One sentence for each problem.
  std::vector<std::string> problems() const { return sentences(agent_->problems()); }
  std::string only_problem() const {
    const auto all = problems();
    return all.size() == 1 ? all[0]
                           : fmt::format("{} problems: {}", all.size(), fmt::join(all, "; "));
  }

  std::string folder_;
  std::optional<IpAddress> router_;  // between this host and the peers; nullopt: none
  std::string taken_;                // what another daemon of this host has locked
  std::vector<std::string> locked_;  // by this daemon, in order
  ManualLoop loop_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  std::shared_ptr<MemoryStore> given_store_;  // that the next start_agent() uses; null: store_
  std::function<Result<std::unique_ptr<Registry>>(const StoreAddress&)> open_store_;
  FakeKernel kernel_;
  TestRules rules_;
  HostView host_ = host();
  std::unique_ptr<Registry> registry_;
  TestHost of_test_{*this};
  AgentOptions options_;  // of the agent
  std::vector<Problem> option_problems_;
  std::optional<Agent> agent_;
  // Logs what is wrong, as the daemon's Publisher does.
  ProblemList list_;
  Timer due_{loop_, [this] {
               if (agent_) list_.update(agent_->problems(), loop_.now());
             }};
  int ready_ = 0;
  std::string fatal_;
  std::uint32_t boot_ = 1;
  int fresh_ids_ = 0;
  std::uint8_t kept_key_ = 1;  // each byte of the WireGuard key that this host keeps
  std::string key_stays_;      // why the key cannot be replaced; empty: it can
  std::string
      key_write_fails_;  // after another key has been written, as an fsync; empty: it does not
  bool renumber_ = false;
  std::optional<DrainNote> note_at_start_;  // the next start_agent() is drained
  bool last_chance_ = false;                // draw the last random number instead of the first
  FakePacketPath::Seen path_;
  FakeKeyExchange::Seen keys_;
  FakeShell shell_;
  std::string path_fails_;
  std::map<Family, HostState> traffic_;  // the forwarding state of the host
  std::map<Family, HostQuery> asked_;
  std::function<void()> on_host_check_;  // called by each check of the host
  std::string unreadable_;               // why this state cannot be read; empty: it can
  std::string powerless_;
  // Without it the host keeps nothing of what a run knows.
  bool keeps_state_ = false;
  std::optional<std::string> kept_;
  int times_kept_ = 0;
  HostClock clock_{.boot = "boot-1",
                   .wall = std::chrono::sys_seconds(std::chrono::hours(480000)),
                   .by_server = true};
  bool offline_start_ = true;        // of the next start_agent()
  bool leaves_deleted_ = false;      // the same
  std::size_t few_leases_ = 0;       // the same
  bool ip_blackhole_route_ = false;  // of the next start_agent()
};

inline constexpr const char* kUdpOfBoth =
    R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48","Backend":{"Type":"udp"}})";
inline constexpr const char* kVxlanOfBoth =
    R"({"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48","Backend":{"Type":"vxlan"}})";
inline constexpr const char* kUdp = R"({"Network":"10.5.0.0/16","Backend":{"Type":"udp"}})";

}  // namespace flannel
