"""What phones of several makers print, in the forms that Android and its vendors are known for."""

from __future__ import annotations

THERMAL_PIXEL = """\
IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 3
\tkilled: false
\tbroadcasts count: -1
ThermalStatusListeners:
\tcallbacks: 4
\tkilled: false
\tbroadcasts count: -1
Thermal Status: 1
Cached temperatures:
\tTemperature{mValue=99.9, mType=3, mName=VIRTUAL-SKIN, mStatus=3}
\tTemperature{mValue=61.0, mType=0, mName=BIG, mStatus=0}
HAL Ready: true
HAL connection:
\tThermalHAL AIDL 1  connected: yes
Current temperatures from HAL:
\tTemperature{mValue=37.243, mType=3, mName=VIRTUAL-SKIN, mStatus=1}
\tTemperature{mValue=52.0, mType=0, mName=BIG, mStatus=0}
\tTemperature{mValue=44.0, mType=0, mName=LITTLE, mStatus=0}
\tTemperature{mValue=31.2, mType=2, mName=battery, mStatus=0}
\tTemperature{mValue=85.0, mType=8, mName=soc, mStatus=0}
\tTemperature{mValue=3970.0, mType=6, mName=vbat, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
Temperature static thresholds from HAL:
\tTemperatureThreshold{mType=3, mName=VIRTUAL-SKIN, mHotThrottlingThresholds=[NaN, 39.0]}
"""

# Samsung: names repeat, several sensors are off.
THERMAL_SAMSUNG = """\
IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
HAL Ready: true
Current temperatures from HAL:
\tTemperature{mValue=29.7, mType=0, mName=AP, mStatus=0}
\tTemperature{mValue=28.1, mType=2, mName=BAT, mStatus=0}
\tTemperature{mValue=27.0, mType=3, mName=SKIN, mStatus=0}
\tTemperature{mValue=26.0, mType=3, mName=SKIN, mStatus=0}
\tTemperature{mValue=-274.0, mType=4, mName=USB, mStatus=0}
\tTemperature{mValue=NaN, mType=5, mName=PA, mStatus=0}
\tTemperature{mValue=24.5, mType=1, mName=, mStatus=0}
Current cooling devices from HAL:
"""

# Before the HAL 2.0: a status, but no block of sensors.
THERMAL_OLD = """\
ThermalEventListeners:
\tcallbacks: 0
Thermal Status: 2
HAL Ready: false
"""

BATTERY_PIXEL = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Dock powered: false
  Max charging current: 500000
  Max charging voltage: 5000000
  Charge counter: 2874000
  status: 2
  health: 2
  present: true
  level: 67
  scale: 100
  voltage: 4123
  temperature: 291
  technology: Li-ion
  Charging state: 1
"""

# Samsung adds history and its own rows, among them names that also occur above.
BATTERY_SAMSUNG = """\
Current Battery Service state:
  AC powered: false
  USB powered: false
  Wireless powered: false
  Max charging current: 0
  Max charging voltage: 0
  Charge counter: 3500000
  status: 3
  health: 2
  present: true
  level: 81
  scale: 100
  voltage: 4025
  temperature: 305
  technology: Li-ion
  batteryMiscEvent: 0
  batteryCurrentEvent: 0
  mSecPlugTypeSummary: 0
  LED Charging: true
  current now: -402
  charge counter: 3500
BatteryInfoBackUp
  mSavedBatteryAsoc: 96
  level: 12
"""

# A tablet: scale of its own, volts, no temperature, Windows line ends from an old adb.
BATTERY_TABLET = """\
Current Battery Service state:\r
  AC powered: true\r
  status: 5\r
  level: 100\r
  scale: 200\r
  voltage: 4\r
  temperature: \r
"""

GETPROP_PIXEL = """\
[dalvik.vm.heapsize]: [512m]
[persist.odd]: [two
lines [with]: brackets]
[ro.board.platform]: [zuma]
[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
[ro.hardware]: [shiba]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.product.cpu.pagesize.max]: [16384]
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 8]
[ro.soc.manufacturer]: [Google]
[ro.soc.model]: [Tensor G3]
[sys.empty]: []
"""

MEMINFO = """\
MemTotal:        7722224 kB
MemFree:          312004 kB
MemAvailable:    3200100 kB
SwapTotal:       3145724 kB
"""
