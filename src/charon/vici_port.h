// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "charon/vici_message.h"

namespace flannel {

// Asks charon. The real one is vici_session.h. Loop thread only.
class ViciPort {
 public:
  using Answered = std::function<void(const ViciSection& answer)>;

  virtual ~ViciPort() = default;

  // Sends a command; `done` is called once, in a later turn, unless the connection ends before. One
  // command at a time. `on_row` is called for each event of the name `rows` that comes before the
  // answer; an empty name: there are none.
  virtual void call(std::string_view command, const ViciSection& arguments, Answered done,
                    std::string_view rows = {}, Answered on_row = {}) = 0;
};

}  // namespace flannel
