// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

namespace flannel {

// A member of an object that gives out callbacks which may be called after its end. Tokens are
// made, asked and destroyed on one thread; a Watch may be copied and destroyed on any.
class LifeToken {
 public:
  class Watch {
   public:
    bool ended() const { return life_.expired(); }

   private:
    friend class LifeToken;
    explicit Watch(std::weak_ptr<int> life) : life_(std::move(life)) {}

    std::weak_ptr<int> life_;
  };

  LifeToken() = default;
  LifeToken(const LifeToken&) = delete;
  LifeToken& operator=(const LifeToken&) = delete;

  // Ends before its owner does.
  void end() { life_.reset(); }
  Watch watch() const { return Watch(life_); }

  // Calls `callback` with the arguments that it is called with, unless the token has ended by then.
  template <typename Callback>
  auto guard(Callback callback) const {
    return [watch = watch(), callback = std::move(callback)](auto&&... arguments) {
      if (!watch.ended()) callback(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace flannel
