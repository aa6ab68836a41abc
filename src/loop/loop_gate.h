// SPDX-License-Identifier: Apache-2.0
// Runs closures of other threads on the loop thread, in a later turn, unless the gate has been
// destroyed by then.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "base/life_token.h"
#include "loop/loop.h"

namespace flannel {

class LoopGate {
 public:
  // The part that other threads hold: copyable, usable from any thread, may outlive the gate and
  // the loop.
  class Sender {
   public:
    // Whether or not `work` runs, it is destroyed on the loop thread if the loop still exists.
    void post(std::function<void()> work) const {
      poster_->post([open = open_, work = std::move(work)] {
        if (!open.ended()) work();
      });
    }

   private:
    friend class LoopGate;
    Sender(std::shared_ptr<Poster> poster, LifeToken::Watch open)
        : poster_(std::move(poster)), open_(std::move(open)) {}

    std::shared_ptr<Poster> poster_;
    LifeToken::Watch open_;
  };

  // The gate is made and destroyed on the loop thread.
  explicit LoopGate(Loop& loop) : poster_(loop.poster()) {}

  Sender sender() const { return {poster_, open_.watch()}; }

 private:
  std::shared_ptr<Poster> poster_;
  LifeToken open_;
};

}  // namespace flannel
