// MCMS
