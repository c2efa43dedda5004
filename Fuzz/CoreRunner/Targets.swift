internal import FuzzCore
let runnerTargets = FuzzTarget.core
