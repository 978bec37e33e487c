package io.shakti.demo

import android.app.Application

class ShaktiApp : Application()
