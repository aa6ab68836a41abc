// SPDX-License-Identifier: Apache-2.0
// Runs flannelctl in this process against a store that keeps state.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "ctl/command_line.h"
#include "registry/memory/memory_store.h"

namespace flannel {

using Words = std::vector<std::string>;
using std::chrono::milliseconds;

inline constexpr const char* kPrefix = "/coreos.com/network";
inline constexpr const char* kVxlan = R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}})";
inline constexpr const char* kHostGw = R"({"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}})";

struct Said {
  int code = -1;
  std::string out, err;
};

class CtlTest : public testing::Test {
 protected:
  ~CtlTest() override {
    store->remove_config(kPrefix);
    for (const Record& record : store->snapshot(kPrefix).records)
      store->remove(kPrefix, record.key);
  }

  Said ctl(Words words, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    words.insert(words.begin(), "--store=memory");
    const int code = run_ctl(words, no_environment, {in, out, err, read_host, find_daemons});
    return {code, out.str(), err.str()};
  }
  void lease(const std::string& key, const std::string& value, Ttl ttl = std::chrono::hours(24)) {
    store->put(kPrefix, key, value, ttl, BootClock::now());
  }
  // Returns the error of an invalid command line, without the name of the program.
  static std::string mistake(const Words& words) {
    const auto run = parse_ctl_command_line(words, no_environment);
    return run ? "no mistake" : run.error().text;
  }
  static const char* no_environment(const std::string&) { return nullptr; }

  std::function<Result<HostView>()> read_host;             // none
  std::function<Result<std::vector<int>>()> find_daemons;  // none
  std::shared_ptr<MemoryStore> store = MemoryStore::process_wide();
};

}  // namespace flannel
