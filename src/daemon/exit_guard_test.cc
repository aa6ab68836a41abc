// SPDX-License-Identifier: Apache-2.0
#include "daemon/exit_guard.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/log.h"

namespace flannel::exit_guard_test {
namespace {

TEST(ExitGuardDeathTest, AnExitByALibraryIsLoggedAndHasStatus1) {
  for (const int status : {0, 2, 3}) {
    EXPECT_EXIT(
        {
          log::info("the log is there");
          const ExitGuard guard;
          std::exit(status);
        },
        testing::ExitedWithCode(1),
        "a library ended the process.* status=" + std::to_string(status));
  }
}

TEST(ExitGuardDeathTest, AnExitOfOurOwnKeepsItsStatus) {
  EXPECT_EXIT(
      {
        { const ExitGuard guard; }
        std::exit(2);
      },
      testing::ExitedWithCode(2), "");
}

}  // namespace
}  // namespace flannel::exit_guard_test
